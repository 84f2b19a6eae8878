namespace Mural.Cli.Bench;

/// <summary>Multiply-additions of attentions for one picture (LinFusion specification 1.5).</summary>
internal static class LinFusionCost
{
    /// <summary>A softmax attention with its projections.</summary>
    internal static double SoftmaxLayer(double tokens, int channels) => 4 * tokens * channels * channels + 2 * tokens * tokens * channels;

    /// <summary>A linear attention with its projections and its perceptrons, which are as wide as the tokens unless another width is given.</summary>
    internal static double LinearLayer(double tokens, int channels, int heads, int? mlpWidth = null) =>
        4 * tokens * channels * (channels + (mlpWidth ?? channels)) + Kernel(tokens, channels, heads);

    /// <summary>What is between the projections.</summary>
    internal static double Kernel(double tokens, int channels, int heads) => 2 * tokens * channels * (channels / heads) + tokens * channels;
}
