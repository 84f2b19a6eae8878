namespace Mural.Checkpoints;

/// <summary>A checkpoint that does not fit the model it was to be loaded into.</summary>
public sealed class CheckpointMismatchException : MuralException
{
    // A wrong family differs in hundreds of names; the first few tell which.
    private const int NamesShown = 20;

    internal CheckpointMismatchException(
        string path,
        string model,
        IReadOnlyList<string> missing,
        IReadOnlyList<string> unexpected,
        IReadOnlyList<string> misshapen)
        : base(Describe(path, model, missing, unexpected, misshapen))
    {
        Missing = missing;
        Unexpected = unexpected;
        Misshapen = misshapen;
    }

    /// <summary>Names the model has and the checkpoint lacks.</summary>
    public IReadOnlyList<string> Missing { get; }

    /// <summary>Names the checkpoint has and the model lacks.</summary>
    public IReadOnlyList<string> Unexpected { get; }

    /// <summary>Tensors of another shape, each with both shapes.</summary>
    public IReadOnlyList<string> Misshapen { get; }

    private static string Describe(string path, string model, IReadOnlyList<string> missing, IReadOnlyList<string> unexpected, IReadOnlyList<string> misshapen)
    {
        string[] parts = [.. new[] { Part("missing", missing), Part("unexpected", unexpected), Part("of another shape", misshapen) }.OfType<string>()];
        return $"{path} does not fit {model}: {string.Join("; ", parts)}; choose a checkpoint of this architecture and size, or the configuration it was made with.";
    }

    private static string? Part(string what, IReadOnlyList<string> names) => names.Count switch
    {
        0 => null,
        <= NamesShown => $"{names.Count} {what} ({string.Join(", ", names)})",
        _ => $"{names.Count} {what} ({string.Join(", ", names.Take(NamesShown))} and {names.Count - NamesShown} more)",
    };
}
