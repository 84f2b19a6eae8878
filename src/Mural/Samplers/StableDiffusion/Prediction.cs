using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>What a network predicts (Stable Diffusion specification 5.2).</summary>
public enum PredictionType
{
    /// <summary>The noise.</summary>
    Epsilon,

    /// <summary>The velocity v = √ᾱ times the noise − √(1 − ᾱ) times the clean latent (Salimans and Ho, arXiv 2202.00512): Stable Diffusion 2.1.</summary>
    VPrediction,

    /// <summary>The clean latent.</summary>
    Sample,
}

/// <summary>
/// What a network's answer says of the clean latent and of the noise. The state is x = α data + s noise with α² + s² = 1 where the variance is
/// preserved, and x = data + σ noise where it explodes; σ = s/α.
/// </summary>
internal static class Prediction
{
    /// <summary>The clean latent in a state of preserved variance.</summary>
    internal static Tensor Data(PredictionType type, Tensor answer, Tensor x, double sigma)
    {
        double alpha = SamplingGrid.Alpha(sigma), share = SamplingGrid.NoiseShare(sigma);
        return type switch
        {
            PredictionType.Epsilon => Combination.Of((1 / alpha, x), (-share / alpha, answer)),
            PredictionType.VPrediction => Combination.Of((alpha, x), (-share, answer)),
            PredictionType.Sample => answer,
            _ => throw new ArgumentOutOfRangeException(nameof(type)),
        };
    }

    /// <summary>The noise in a state of preserved variance.</summary>
    internal static Tensor Noise(PredictionType type, Tensor answer, Tensor x, double sigma)
    {
        double alpha = SamplingGrid.Alpha(sigma), share = SamplingGrid.NoiseShare(sigma);
        return type switch
        {
            PredictionType.Epsilon => answer,
            PredictionType.VPrediction => Combination.Of((alpha, answer), (share, x)),
            PredictionType.Sample => NoiseBeside(answer, x, sigma),
            _ => throw new ArgumentOutOfRangeException(nameof(type)),
        };
    }

    /// <summary>The noise that makes a state of preserved variance out of the clean latent.</summary>
    internal static Tensor NoiseBeside(Tensor data, Tensor x, double sigma)
    {
        double share = SamplingGrid.NoiseShare(sigma);
        return Combination.Of((1 / share, x), (-SamplingGrid.Alpha(sigma) / share, data));
    }

    /// <summary>The clean latent in a state of exploding variance.</summary>
    internal static Tensor DataExploding(PredictionType type, Tensor answer, Tensor x, double sigma) => type switch
    {
        PredictionType.Epsilon => Combination.Of((1, x), (-sigma, answer)),
        PredictionType.VPrediction => Combination.Of((1 / (sigma * sigma + 1), x), (-SamplingGrid.NoiseShare(sigma), answer)),
        PredictionType.Sample => answer,
        _ => throw new ArgumentOutOfRangeException(nameof(type)),
    };

    /// <summary>What a network of <see cref="PredictionType.VPrediction"/> is trained to answer.</summary>
    internal static Tensor Velocity(Tensor data, Tensor noise, double sigma) =>
        Combination.Of((SamplingGrid.Alpha(sigma), noise), (-SamplingGrid.NoiseShare(sigma), data));
}
