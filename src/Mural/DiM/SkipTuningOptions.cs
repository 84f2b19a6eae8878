namespace Mural.DiM;

/// <summary>Settings of <see cref="SkipTuning"/>; the defaults are the released ones, which have next to no effect.</summary>
/// <param name="Parameter">The factor at the last decoder block if the time were 1.</param>
/// <param name="First">The factor at the first decoder block.</param>
/// <param name="Time">The time that scales the last factor: 0.001 as the released code computes it, or null for the solver's, as seems to have been meant.</param>
public sealed record SkipTuningOptions(double Parameter = 0.82, double First = 1, double? Time = 0.001)
{
    /// <summary>Factors of the decoder blocks, first to last, at a solver time.</summary>
    internal double[] FactorsAt(double time, int decoderBlocks) => SkipTuning.Factors(decoderBlocks, Parameter, Time ?? time, First);
}
