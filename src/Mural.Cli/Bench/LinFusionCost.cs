namespace Mural.Cli.Bench;

/// <summary>Multiply-additions of linear attentions for one picture (LinFusion specification 1.5).</summary>
internal static class LinFusionCost
{
    /// <summary>An attention with its projections and its perceptrons, which are as wide as the tokens unless another width is given.</summary>
    internal static double LinearLayer(double tokens, int channels, int heads, int? mlpWidth = null) =>
        4 * tokens * channels * (channels + (mlpWidth ?? channels)) + Kernel(tokens, channels, heads);

    /// <summary>What is between the projections.</summary>
    internal static double Kernel(double tokens, int channels, int heads) => 2 * tokens * channels * (channels / heads) + tokens * channels;
}
