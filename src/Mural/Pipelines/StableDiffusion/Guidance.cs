using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>Classifier-free guidance on what a network predicts (Stable Diffusion specification 6.1), with any number of texts that are followed.</summary>
internal static class Guidance
{
    /// <summary>negative + g Σ wᵢ (positiveᵢ − negative), its contrast reduced by a share of <paramref name="rescale"/>.</summary>
    /// <param name="negative">Shape: <c>[B, C, H, W]</c>.</param>
    /// <param name="positives">With their weights.</param>
    /// <param name="scale">g.</param>
    /// <param name="rescale">From 0 to 1.</param>
    internal static Tensor Combine(Tensor negative, IReadOnlyList<(Tensor Prediction, double Weight)> positives, double scale, double rescale)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor direction = zeros_like(negative);
        foreach ((Tensor prediction, double weight) in positives) direction = direction.add(prediction - negative, alpha: weight);
        Tensor guided = negative.add(direction, alpha: scale);
        return (rescale == 0 ? guided : Rescaled(guided, negative + direction, rescale)).MoveToOuterDisposeScope();
    }

    // Towards the deviation that the prediction has without guidance, over each picture.
    private static Tensor Rescaled(Tensor guided, Tensor followed, double share)
    {
        Tensor factor = Deviation(followed) / Deviation(guided);
        return guided * (factor * share + (1 - share));
    }

    private static Tensor Deviation(Tensor prediction) => prediction.flatten(1).std(1).view(-1, 1, 1, 1);
}
