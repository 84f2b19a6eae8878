using static TorchSharp.torch;

namespace Mural.Autoencoders;

/// <summary>
/// The posterior of an encoded picture: an independent normal distribution for every latent value. Its moments are held in float32
/// (float64 for a float64 picture); samples have the picture's type.
/// </summary>
public sealed class DiagonalGaussian : IDisposable
{
    private readonly ScalarType _type;

    /// <summary>Splits moments into mean and log variance.</summary>
    /// <param name="moments">Mean and log variance along the channels, <c>[B, 2 C, h, w]</c>.</param>
    internal DiagonalGaussian(Tensor moments)
    {
        _type = moments.dtype;
        using Tensor precise = _type == ScalarType.Float64 ? moments.alias() : moments.to(ScalarType.Float32);
        Tensor[] halves = precise.chunk(2, 1);
        Mean = halves[0];
        using Tensor unbounded = halves[1];
        LogVariance = unbounded.clamp(-30, 20);
    }

    /// <summary>The means, <c>[B, C, h, w]</c>.</summary>
    public Tensor Mean { get; }

    /// <summary>Natural logarithm of the variances, between -30 and 20, <c>[B, C, h, w]</c>.</summary>
    public Tensor LogVariance { get; }

    /// <summary>Mean + standard deviation x noise, <c>[B, C, h, w]</c>, in the picture's type.</summary>
    /// <param name="noise">Standard normal numbers, <c>[B, C, h, w]</c>.</param>
    public Tensor Sample(Tensor noise)
    {
        using var scope = NewDisposeScope();
        return (Mean + (0.5 * LogVariance).exp() * noise.to(Mean.dtype)).to(_type).MoveToOuterDisposeScope();
    }

    /// <summary>A sample whose noise is drawn from <paramref name="generator"/>, <c>[B, C, h, w]</c>, in the picture's type.</summary>
    public Tensor Sample(Generator generator)
    {
        using Tensor drawn = randn(Mean.shape, ScalarType.Float32, generator.device, generator: generator);
        using Tensor noise = drawn.to(Mean.device);
        return Sample(noise);
    }

    /// <summary>The most likely latent, which is the mean, <c>[B, C, h, w]</c>, in the picture's type.</summary>
    public Tensor Mode() => Mean.to(_type);

    /// <summary>Kullback-Leibler divergence to the standard normal distribution in nats, summed over each picture's latent values, <c>[B]</c>.</summary>
    public Tensor Divergence()
    {
        using var scope = NewDisposeScope();
        Tensor terms = Mean.square() + LogVariance.exp() - 1 - LogVariance;
        return (0.5 * terms.flatten(1).sum(1)).MoveToOuterDisposeScope();
    }

    internal DiagonalGaussian MoveToOuterDisposeScope()
    {
        Mean.MoveToOuterDisposeScope();
        LogVariance.MoveToOuterDisposeScope();
        return this;
    }

    /// <summary>Frees both tensors.</summary>
    public void Dispose()
    {
        Mean.Dispose();
        LogVariance.Dispose();
    }
}
