using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// Keeps the predicted clean latent in range (diffusers' <c>clip_sample</c> and <c>thresholding</c>), as models of pixels need it. Its dynamic
/// threshold differs from <see cref="DynamicThreshold"/>: the maximum bounds the quantile instead of scaling the result.
/// </summary>
internal static class DataLimit
{
    /// <summary>Thresholds where the options say so, else clips where <paramref name="clip"/> says so.</summary>
    internal static Tensor Apply(Tensor data, SamplerOptions options, bool clip)
    {
        if (options.Thresholding) return Threshold(data, options);
        return clip ? Clip(data, options) : data;
    }

    internal static Tensor Clip(Tensor data, SamplerOptions options) => data.clamp(-options.ClipSampleRange, options.ClipSampleRange);

    /// <summary>
    /// Each picture is clipped to a quantile of its magnitudes, at least 1 and at most the maximum, and divided by it. A maximum below 1 is every picture's limit.
    /// </summary>
    internal static Tensor Threshold(Tensor data, SamplerOptions options)
    {
        using var scope = NewDisposeScope();
        Tensor magnitudes = data.abs().flatten(1);
        Tensor limit = quantile(magnitudes, tensor(options.DynamicThresholdingRatio, magnitudes.dtype, magnitudes.device), dim: 1);
        limit = limit.clamp_min(1).clamp_max(options.SampleMaxValue).reshape([-1, .. Enumerable.Repeat(1L, (int)data.dim() - 1)]);
        return maximum(minimum(data, limit), -limit).div(limit).MoveToOuterDisposeScope();
    }
}
