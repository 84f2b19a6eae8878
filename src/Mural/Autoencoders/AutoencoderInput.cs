using Mural.Layers;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Autoencoders;

/// <summary>What an autoencoder takes: maps of its channels and, once it has been made ready for inference, of one type.</summary>
internal sealed class AutoencoderInput
{
    private readonly InferenceState _inference = new("autoencoder");

    /// <summary>Freezes every layer of <paramref name="autoencoder"/> for inputs of one type.</summary>
    internal void Prepare(nn.Module autoencoder, KernelSet kernels, ScalarType type) => _inference.Prepare(autoencoder, kernels, type);

    /// <exception cref="MuralException">
    /// The map is not <c>[B, channels, H, W]</c> with sides of at least <paramref name="side"/>, or of another type than the weights are held in.
    /// </exception>
    internal void Require(Tensor map, string what, int channels, int side)
    {
        ArgumentNullException.ThrowIfNull(map);
        if (map.dim() != 4 || map.shape[1] != channels || map.shape[2] < side || map.shape[3] < side)
            throw new MuralException(
                $"A {what} for this autoencoder is [batch, {channels}, height, width] with sides of at least {side}, but [{string.Join(", ", map.shape)}] was given.");
        // What overflows in float16 runs in float32, with the same weights.
        if (_inference.Type is { } type && map.dtype != type && (type, map.dtype) is not (ScalarType.Float16, ScalarType.Float32))
            throw new MuralException($"This autoencoder was made ready for {type}, but a {what} in {map.dtype} was given; convert it first.");
    }

    /// <exception cref="MuralException">The latent does not fit, as for any other run.</exception>
    /// <exception cref="ArgumentException">It is of several pictures, where strips are of one.</exception>
    internal void RequireOneLatent(Tensor latent, int channels)
    {
        Require(latent, "latent", channels, 1);
        if (latent.shape[0] != 1) throw new ArgumentException("Strips are of one picture at a time.", nameof(latent));
    }

    /// <exception cref="MuralException">The weights are no longer held as they were loaded.</exception>
    internal void RequireWeights(string use) => _inference.RequireWeights(use);
}
