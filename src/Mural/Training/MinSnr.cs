using Mural.Samplers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Min-SNR weighting (Hang et al., arXiv 2303.09556), which keeps the easy, nearly clean samples from deciding the gradient.</summary>
internal static class MinSnr
{
    /// <summary>Throws where γ, the setting <c>min_snr_gamma</c>, is impossible; null stands for no weighting.</summary>
    internal static void Check(double? gamma)
    {
        if (gamma is { } given) Settings.Positive("min_snr_gamma", given);
    }

    /// <summary>
    /// min(SNR, γ) times what the square of an error in the prediction is of that in the clean latents: 1/SNR of noise, 1/(SNR + 1) of velocity, 1 of the clean latents themselves.
    /// </summary>
    /// <param name="ratios">Signal-to-noise ratios α²/σ². Shape: `[B]`.</param>
    /// <param name="gamma">γ.</param>
    /// <param name="prediction">What the network predicts.</param>
    internal static Tensor Weights(Tensor ratios, double gamma, PredictionType prediction)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor clamped = ratios.clamp_max(gamma);
        Tensor weights = prediction switch
        {
            PredictionType.Epsilon => clamped / ratios,
            PredictionType.VPrediction => clamped / (ratios + 1),
            _ => clamped,
        };
        return weights.MoveToOuterDisposeScope();
    }
}
