using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>Numbers as vectors of cosines and sines, the way diffusion networks see time.</summary>
internal static class Sinusoids
{
    /// <summary>
    /// cos(v f_k) then sin(v f_k), f_k = 10000^(-k / (width / 2 - shift)); an odd width ends with a zero. Computed in float64 on the CPU: in float32 the rounding of
    /// the frequencies would be the largest error of a whole network.
    /// </summary>
    /// <param name="values">Any numbers. Shape: `[N]`.</param>
    /// <param name="width">Length of a vector.</param>
    /// <param name="shift">Taken from the number of frequencies in the exponent (diffusers' <c>freq_shift</c>, <c>downscale_freq_shift</c>).</param>
    /// <param name="cosineFirst">False puts the sines first (diffusers' <c>flip_sin_to_cos</c>).</param>
    /// <returns>float32 on the device of <paramref name="values"/>. Shape: `[N, width]`.</returns>
    internal static Tensor Of(Tensor values, int width, double shift = 0, bool cosineFirst = true)
    {
        using DisposeScope scope = NewDisposeScope();
        int half = width / 2;
        Tensor exponents = arange(half, dtype: ScalarType.Float64) / (half - shift);
        Tensor angles = values.detach().to(ScalarType.Float64, CPU).unsqueeze(1) * (exponents * -Math.Log(10000)).exp();
        Tensor embedding = cosineFirst ? cat([angles.cos(), angles.sin()], 1) : cat([angles.sin(), angles.cos()], 1);
        if (width % 2 == 1) embedding = nn.functional.pad(embedding, (0, 1));
        return embedding.to(ScalarType.Float32, values.device).MoveToOuterDisposeScope();
    }
}
