using Mural.Attention;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>
/// What one network makes of a <see cref="UNetConditioning"/> before the first step, to be used at each: the keys and values of every cross-attention, and the terms of the
/// time embedding that do not depend on the time.
/// </summary>
public sealed class PreparedPrompt : IDisposable
{
    private readonly nn.Module _network;
    private readonly Dictionary<CrossAttention, List<KeysAndValues>> _contexts = [];

    internal PreparedPrompt(nn.Module network, ScalarType type, long batch)
    {
        _network = network;
        Type = type;
        Batch = batch;
    }

    /// <summary>Type that the network runs in with this prompt.</summary>
    public ScalarType Type { get; }

    /// <summary>Number of latents it was prepared for; 1 serves any number.</summary>
    public long Batch { get; }

    /// <summary>Added to the sinusoids of the time, or null. float32. Shape: `[1, first level's channels]`.</summary>
    internal Tensor? Guidance { get; init; }

    /// <summary>Added to the time embedding, or null. float32. Shape: `[B, time width]`.</summary>
    internal Tensor? Added { get; init; }

    /// <summary>Lets a cross-attention attend to something; what it attended to before stays.</summary>
    internal void Add(CrossAttention attention, KeysAndValues context)
    {
        context.Keys.DetachFromDisposeScope();
        context.Values.DetachFromDisposeScope();
        if (_contexts.TryGetValue(attention, out List<KeysAndValues>? known)) known.Add(context);
        else _contexts.Add(attention, [context]);
    }

    internal IReadOnlyList<KeysAndValues> For(CrossAttention attention) => _contexts[attention];

    /// <exception cref="MuralException">It was prepared by another network, or for another number of latents.</exception>
    internal void Require(nn.Module network, long batch)
    {
        if (!ReferenceEquals(network, _network))
            throw new MuralException("The prompt was prepared by another network; prepare it by the one that runs.");
        if (Batch != 1 && Batch != batch)
            throw new MuralException($"The prompt was prepared for {Batch} latents, but there are {batch}; prepare one text for each latent, or one for all.");
    }

    /// <summary>Frees the keys and values.</summary>
    public void Dispose()
    {
        Guidance?.Dispose();
        Added?.Dispose();
        foreach (KeysAndValues context in _contexts.Values.SelectMany(contexts => contexts))
        {
            context.Keys.Dispose();
            context.Values.Dispose();
        }
        _contexts.Clear();
    }
}
