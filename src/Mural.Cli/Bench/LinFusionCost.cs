namespace Mural.Cli.Bench;

/// <summary>Multiply-additions of Stable Diffusion 1.5's denoiser for one picture (LinFusion specification 1.5).</summary>
internal static class LinFusionCost
{
    // The whole step at 512x512 pixels with softmax attention, and the sizes of that.
    private const double WholeStep = 401.6e9;
    private const int Side = 512, LatentSide = 64, Heads = 8;

    // Self-attentions of each level, and their channels; the last is the middle, one level below.
    private static readonly (int Count, int Channels)[] Levels = [(5, 320), (5, 640), (5, 1280), (1, 1280)];

    /// <summary>A step at a size.</summary>
    internal static double Step(int size, bool linear)
    {
        double pixels = (double)size * size / (Side * Side);
        return (WholeStep - Attentions(Side, linear: false)) * pixels + Attentions(size, linear);
    }

    /// <summary>A softmax attention with its projections.</summary>
    internal static double SoftmaxLayer(double tokens, int channels) => 4 * tokens * channels * channels + 2 * tokens * tokens * channels;

    /// <summary>A linear attention with its projections and its perceptrons, which are as wide as the tokens unless another width is given.</summary>
    internal static double LinearLayer(double tokens, int channels, int heads, int? mlpWidth = null) =>
        4 * tokens * channels * (channels + (mlpWidth ?? channels)) + Kernel(tokens, channels, heads);

    /// <summary>What is between the projections.</summary>
    internal static double Kernel(double tokens, int channels, int heads) => 2 * tokens * channels * (channels / heads) + tokens * channels;

    private static double Attentions(int size, bool linear)
    {
        double tokens = Math.Pow(LatentSide * (double)size / Side, 2), sum = 0;
        foreach ((int count, int channels) in Levels)
        {
            sum += count * (linear ? LinearLayer(tokens, channels, Heads) : SoftmaxLayer(tokens, channels));
            tokens /= 4;
        }
        return sum;
    }
}
