namespace Mural.Checkpoints.Pickle;

/// <summary>What is wrong with a pickle, and what to do; whoever knows the file makes a sentence of it.</summary>
internal sealed class PickleException(string what, string advice = "download or save it again") : Exception(what)
{
    internal MuralException In(string path) => new($"{path} cannot be read as a PyTorch checkpoint: {Message}; {advice}.", this);
}
