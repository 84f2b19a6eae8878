namespace Mural.Samplers;

/// <summary>What must hold of options whatever the sampler.</summary>
internal static class SamplerChecks
{
    internal static SamplerMethod Method(SamplerOptions options)
    {
        if (options.Sampler is { } kind) return SamplerMethods.Of(kind);
        throw new MuralException($"The checkpoint asks for the scheduler {options.UnknownClass}, which is not supported; choose one of the samplers {SamplerNames.List}.");
    }

    internal static void Check(SamplerOptions options, SamplerMethod method, int steps)
    {
        CheckNoise(options);
        CheckSettings(options);
        if (steps < 1 || steps > options.TrainTimesteps)
            throw new MuralException($"{steps} sampling steps were asked for; give 1 to {options.TrainTimesteps}, the number of steps the model was trained on.");
        if (options.SigmaSchedule == SigmaSchedule.Lu && method.Kind != SamplerKind.DpmMultistep)
            throw new MuralException($"The schedule lu belongs to the sampler dpmpp-2m; choose another schedule for {SamplerNames.Of(options)}.");
        CheckLists(options, method, steps);
        method.Check(options, steps);
    }

    private static void CheckNoise(SamplerOptions options)
    {
        if (options.TrainTimesteps < 2) throw new MuralException($"The model's num_train_timesteps is {options.TrainTimesteps}; it must be at least 2.");
        if (options.TrainedBetas is { } betas && (betas.Count != options.TrainTimesteps || !betas.All(IsShare)))
            throw new MuralException($"The model's trained_betas must be {options.TrainTimesteps} numbers between 0 and 1, one for each training step.");
        if (!IsShare(options.BetaStart ?? 0.5) || !IsShare(options.BetaEnd ?? 0.5) || options.BetaStart > options.BetaEnd)
            throw new MuralException($"The noise runs from beta_start {options.BetaStart} to beta_end {options.BetaEnd}; both must lie between 0 and 1, the end above the start.");
    }

    private static void CheckSettings(SamplerOptions options)
    {
        if (options.Eta is { } eta && !(eta >= 0 && eta <= 1)) throw new MuralException($"The share of noise, eta, is {eta}; give a number from 0 to 1.");
        if (!(options.ClipSampleRange > 0)) throw new MuralException($"The range of clipping, clip_sample_range, is {options.ClipSampleRange}; give a number above 0.");
        if (!(options.DynamicThresholdingRatio >= 0 && options.DynamicThresholdingRatio <= 1))
            throw new MuralException($"The quantile of thresholding, dynamic_thresholding_ratio, is {options.DynamicThresholdingRatio}; give a number from 0 to 1.");
        if (!(options.SampleMaxValue > 0)) throw new MuralException($"The largest threshold, sample_max_value, is {options.SampleMaxValue}; give a number above 0.");
        if (!((options.SigmaMin ?? 0.01) > 0 && double.IsFinite(options.SigmaMax ?? 100) && (options.SigmaMin ?? 0) < (options.SigmaMax ?? double.PositiveInfinity)))
            throw new MuralException(
                $"The noise levels run from sigma_min {options.SigmaMin} to sigma_max {options.SigmaMax}; both must be above 0, the largest above the smallest.");
        EulerChurn churn = options.Churn;
        if (!(churn.Amount >= 0 && churn.Deviation >= 0 && churn.Lowest <= churn.Highest))
            throw new MuralException($"Euler's churn of {churn.Amount} between noise levels {churn.Lowest} and {churn.Highest} is impossible; "
                + $"give numbers of at least 0, the highest above the lowest.");
    }

    private static void CheckLists(SamplerOptions options, SamplerMethod method, int steps)
    {
        if (options.CustomTimesteps is { } timesteps)
        {
            if (!method.TakesTimesteps)
                throw new MuralException($"The sampler {SamplerNames.Of(options)} cannot follow a list of timesteps; choose another sampler, or a number of steps.");
            if (options.CustomSigmas is not null || options.SigmaSchedule != SigmaSchedule.FromTimesteps)
                throw new MuralException("A list of timesteps was given together with noise levels or a schedule of them; give one of both.");
            if (timesteps.Count != steps) throw new MuralException($"The list of timesteps has {timesteps.Count} entries, but {steps} steps were asked for; make them the same.");
            if (!timesteps.All(timestep => timestep >= 0 && timestep < options.TrainTimesteps && (method.VarianceExplodes || timestep == Math.Floor(timestep)))
                || !Falls(timesteps))
                throw new MuralException(
                    $"The list of timesteps must fall from below {options.TrainTimesteps} to at least 0{(method.VarianceExplodes ? "" : ", in whole numbers")}.");
        }
        if (options.CustomSigmas is not { } sigmas) return;
        if (!method.TakesSigmas) throw new MuralException($"The sampler {SamplerNames.Of(options)} cannot follow a list of noise levels; use euler, or a number of steps.");
        if (sigmas.Count != steps + 1) throw new MuralException($"The list of noise levels has {sigmas.Count} entries, but {steps} steps need {steps + 1}, the last one included.");
        if (!sigmas.All(sigma => sigma >= 0 && double.IsFinite(sigma)) || !Falls(sigmas))
            throw new MuralException("The list of noise levels must fall from entry to entry and end at 0 or above.");
    }

    private static bool IsShare(double beta) => beta > 0 && beta < 1;

    private static bool Falls(IReadOnlyList<double> values) => values.Zip(values.Skip(1)).All(pair => pair.First > pair.Second);
}
