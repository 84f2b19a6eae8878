using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Weights of the terms of an autoencoder's loss. All terms are means over the pictures' values, which are in [-1, 1].</summary>
public sealed record VaeLossConfig
{
    /// <summary>Absolute error.</summary>
    public double L1 { get; init; } = 1;

    /// <summary>Squared error.</summary>
    public double L2 { get; init; } = 1;

    /// <summary>
    /// Absolute error of each picture averaged over squares of 2, 4, 8 and 16 pixels: pushes all pixels of an area the same way, so that colours
    /// come as soon as shapes.
    /// </summary>
    public double LowFrequency { get; init; } = 1;

    /// <summary>Absolute error of the two colour differences (red - green, and blue - their mean), whole and averaged over squares.</summary>
    public double Colour { get; init; } = 1;

    /// <summary>Absolute error of the differences between neighbouring pixels: sharp edges.</summary>
    public double Edges { get; init; } = 1;

    /// <summary>Kullback-Leibler divergence to the standard normal distribution, mean over the latent's values.</summary>
    public double Kl { get; init; } = 1e-4;

    internal void Check()
    {
        Settings.InRange("loss.l1", L1, 0, 1e6);
        Settings.InRange("loss.l2", L2, 0, 1e6);
        Settings.InRange("loss.low_frequency", LowFrequency, 0, 1e6);
        Settings.InRange("loss.colour", Colour, 0, 1e6);
        Settings.InRange("loss.edges", Edges, 0, 1e6);
        Settings.InRange("loss.kl", Kl, 0, 1e6);
        if (L1 + L2 <= 0) throw new MuralException("The settings 'loss.l1' and 'loss.l2' are both 0; one of them must be positive.");
    }
}

/// <summary>The reconstruction loss of an autoencoder.</summary>
internal static class VaeLoss
{
    private const int Scales = 4;

    /// <summary>The weighted sum of all terms but the divergence.</summary>
    /// <param name="reconstruction">What the decoder gave, float32 <c>[B, 3, H, W]</c>.</param>
    /// <param name="picture">What it should be, float32 <c>[B, 3, H, W]</c>.</param>
    /// <param name="config">The weights.</param>
    internal static Tensor Reconstruction(Tensor reconstruction, Tensor picture, VaeLossConfig config)
    {
        using var scope = NewDisposeScope();
        Tensor error = reconstruction - picture;
        Tensor loss = error.abs().mean() * config.L1;
        if (config.L2 > 0) loss = loss + error.square().mean() * config.L2;
        if (config.Edges > 0) loss = loss + Edges(error) * config.Edges;
        if (config.Colour > 0) loss = loss + Differences(error).abs().mean() * config.Colour;
        if (config.LowFrequency > 0 || config.Colour > 0)
        {
            for (int scale = 0; scale < Scales && error.shape[2] % 2 == 0 && error.shape[3] % 2 == 0; scale++)
            {
                error = nn.functional.avg_pool2d(error, 2);
                if (config.LowFrequency > 0) loss = loss + error.abs().mean() * config.LowFrequency;
                if (config.Colour > 0) loss = loss + Differences(error).abs().mean() * config.Colour;
            }
        }
        return loss.MoveToOuterDisposeScope();
    }

    private static Tensor Edges(Tensor error) => error.diff(dim: 2).abs().mean() + error.diff(dim: 3).abs().mean();

    // Grey errors vanish here: what is left is the error in colour.
    private static Tensor Differences(Tensor error)
    {
        Tensor red = error.narrow(1, 0, 1), green = error.narrow(1, 1, 1), blue = error.narrow(1, 2, 1);
        return cat([red - green, blue - (red + green) / 2], 1);
    }
}
