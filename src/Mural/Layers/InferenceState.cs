using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>Whether a network was made ready for inference, after which its weights are no longer held as they were loaded.</summary>
/// <param name="network">What people call the network, for messages.</param>
internal sealed class InferenceState(string network)
{
    /// <summary>The type that it was made ready for; null before that.</summary>
    internal ScalarType? Type { get; private set; }

    /// <summary>Freezes every layer for one type.</summary>
    /// <exception cref="MuralException">It was made ready before.</exception>
    internal void Prepare(nn.Module module, KernelSet kernels, ScalarType type)
    {
        if (Type is not null) throw new MuralException($"This {network} is ready for inference in {Type} already; load it again for {type}.");
        module.Freeze(kernels, type);
        Type = type;
    }

    /// <summary>What a run is done under: frozen weights have no gradients.</summary>
    internal IDisposable? Guard() => Type is null ? null : no_grad();

    /// <exception cref="MuralException">The weights are no longer held as they were loaded.</exception>
    internal void RequireWeights(string use)
    {
        if (Type is not null) throw new MuralException($"This {network} was made ready for inference and cannot be {use}; open it again for that.");
    }
}
