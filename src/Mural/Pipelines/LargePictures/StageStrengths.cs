using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>Which share of the steps each doubling runs: falling evenly, so that nothing new appears once the picture is large (LinFusion specification 5.1, 5.2).</summary>
internal static class StageStrengths
{
    /// <summary>Float32 as in the official code, whose roundings decide about a step at exact multiples.</summary>
    /// <param name="first">Share of the first doubling.</param>
    /// <param name="doublings">How many there are.</param>
    internal static float[] Of(double first, int doublings)
    {
        using Tensor strengths = linspace(first, 0, doublings + 1, ScalarType.Float32);
        return strengths.data<float>().ToArray()[..doublings];
    }

    /// <summary>Steps of a stage of the high-resolution chain: rounded up, after rounding the product to float32.</summary>
    internal static int StepsUp(float strength, int steps) => Math.Min((int)MathF.Ceiling(strength * steps), steps);

    /// <summary>Steps of one super-resolution: rounded up in double precision.</summary>
    internal static int StepsUp(double strength, int steps) => Math.Min((int)Math.Ceiling(strength * steps), steps);
}
