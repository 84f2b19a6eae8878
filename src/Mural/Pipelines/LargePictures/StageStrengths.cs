using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>Which share of the steps each doubling runs: falling evenly, so that nothing new appears once the picture is large (LinFusion specification 5.1, 5.2).</summary>
internal static class StageStrengths
{
    // More than the rounding of a share times the steps, and less than any share of a step that somebody means.
    private const double Rounding = 1e-6;

    /// <summary>Shares and steps of the SDEdit chain: the product rounded down, at least one step.</summary>
    /// <param name="first">Share of the first doubling.</param>
    /// <param name="doublings">How many there are.</param>
    /// <param name="steps">Steps of the whole schedule.</param>
    internal static IReadOnlyList<(double Share, int Steps)> SdEdit(double first, int doublings, int steps) =>
        [.. Enumerable.Range(0, doublings).Select(i => first * (doublings - i) / doublings).Select(share => (share, Math.Max(1, (int)Math.Floor(share * steps + Rounding))))];

    /// <summary>Shares and steps of the high-resolution chain: the product rounded up.</summary>
    /// <param name="first">Share of the first doubling.</param>
    /// <param name="doublings">How many there are.</param>
    /// <param name="steps">Steps of the whole schedule.</param>
    internal static IReadOnlyList<(double Share, int Steps)> HighResolution(double first, int doublings, int steps)
    {
        // Float32 as in the official code, whose roundings, of the product too, decide about a step at exact multiples.
        using Tensor strengths = linspace(first, 0, doublings + 1, ScalarType.Float32);
        return [.. strengths.data<float>().ToArray()[..doublings].Select(share => ((double)share, Math.Min((int)MathF.Ceiling(share * steps), steps)))];
    }

    /// <summary>Steps of one super-resolution: rounded up in double precision.</summary>
    internal static int SuperResolution(double strength, int steps) => Math.Min((int)Math.Ceiling(strength * steps), steps);
}
