using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>Timesteps of models that were distilled to a few steps: some of those they were distilled from (Stable Diffusion specification 5.12).</summary>
internal static class DistilledTimesteps
{
    /// <summary>The sampler of such models that runs the given loop.</summary>
    internal static SamplerMethod Method(SamplerKind kind, string schedulerClass, Func<SamplingRun, Tensor, Tensor> run) => new(kind, schedulerClass, Create, run)
    {
        DefaultBetas = (BetaSchedule.ScaledLinear, 0.00085, 0.012),
        HasTimestepSpacings = false,
        HasZeroTerminal = true,
        TakesTimesteps = true,
        Check = Check,
    };

    private static SamplingGrid Create(SamplerOptions options, NoiseTable table, int steps)
    {
        double[] timesteps = options.CustomTimesteps is { } custom ? [.. custom.TakeLast(Kept(options, steps))] : Spread(options, table, steps);
        return WholeTimesteps.Grid(timesteps, table, WholeTimesteps.FinalAlphaBar(options, table, alphaToOne: true));
    }

    private static void Check(SamplerOptions options, int steps)
    {
        if (options.OriginalInferenceSteps < 1 || options.OriginalInferenceSteps > options.TrainTimesteps)
            throw new MuralException(
                $"The model's original_inference_steps is {options.OriginalInferenceSteps}; it must be from 1 to the {options.TrainTimesteps} training steps.");
        if (!(options.OriginalStepsShare > 0 && options.OriginalStepsShare <= 1))
            throw new MuralException($"The share of the original steps is {options.OriginalStepsShare}; give a number above 0 and up to 1.");
        if (options.CustomTimesteps is not null && Kept(options, steps) == 0)
            throw new MuralException($"A share of {options.OriginalStepsShare} leaves none of the list's {steps} timesteps to run; "
                + $"raise the share, or lengthen the list, until their product is at least 1.");
        if (options.CustomTimesteps is null && steps > Original(options))
            throw new MuralException(
                $"A model distilled from {options.OriginalInferenceSteps} steps can make at most {Original(options)} of them here, not {steps}; ask for fewer steps.");
    }

    private static double[] Spread(SamplerOptions options, NoiseTable table, int steps)
    {
        int stride = table.Steps / options.OriginalInferenceSteps, original = Original(options);
        double apart = (double)original / steps;
        return [.. Enumerable.Range(0, steps).Select(step => (double)((original - (int)(step * apart)) * stride - 1))];
    }

    // Of a list of timesteps, the last share is run.
    private static int Kept(SamplerOptions options, int steps) => (int)(steps * options.OriginalStepsShare);

    private static int Original(SamplerOptions options) => (int)(options.OriginalInferenceSteps * options.OriginalStepsShare);
}
