namespace Mural.Samplers;

/// <summary>The noise level that a run ends at.</summary>
public enum FinalSigma
{
    /// <summary>No noise is left.</summary>
    Zero,

    /// <summary>The noise of the first training step is left.</summary>
    SigmaMin,
}

/// <summary>How σ is found between training steps.</summary>
public enum SigmaInterpolation
{
    /// <summary>Linearly at the timesteps.</summary>
    Linear,

    /// <summary>ln σ runs evenly over the whole table whatever the timesteps are, and one more σ is made; the run ends at the smallest σ.</summary>
    LogLinear,
}

/// <summary>Timesteps and noise levels of the samplers that work in σ (Stable Diffusion specification 5.3, 5.8 to 5.11).</summary>
internal static class SigmaGrid
{
    // The reference computes timesteps of σ in 32 bits, where the largest falls short of the last training step and truncates to the one before.
    private const double RoundingOf32Bits = 1e-4;

    /// <summary>
    /// For samplers of k-diffusion: fractional timesteps, and shapes that keep the first and the last σ of the spaced timesteps.
    /// </summary>
    internal static SamplingGrid Create(SamplerOptions options, NoiseTable table, int steps, double end)
    {
        if (options.CustomSigmas is { } sigmas) return new SamplingGrid([.. sigmas.SkipLast(1).Select(table.Timestep)], [.. sigmas]);
        double[] timesteps = options.CustomTimesteps is { } custom
            ? [.. custom]
            : TimestepGrid.Create(options.TimestepSpacing ?? TimestepSpacing.Linspace, table.Steps, steps, options.StepsOffset, whole: false);
        double[] levels = options.SigmaInterpolation == SigmaInterpolation.LogLinear
            ? SigmaShapes.Exponential(table.LargestSigma, table.SmallestSigma, steps + 1)
            : [.. timesteps.Select(table.Sigma)];
        if (options.SigmaSchedule != SigmaSchedule.FromTimesteps)
        {
            // Of these samplers, the reference spreads Karras' levels over the range of the timesteps whatever range is asked for.
            bool ranges = options is not { SigmaSchedule: SigmaSchedule.Karras, Sampler: SamplerKind.Lms or SamplerKind.DpmSde };
            double largest = (ranges ? options.SigmaMax : null) ?? levels[0], smallest = (ranges ? options.SigmaMin : null) ?? levels[^1];
            levels = SigmaShapes.Create(options.SigmaSchedule, largest, smallest, steps);
            timesteps = [.. levels.Select(table.Timestep)];
        }
        return new SamplingGrid(timesteps, [.. levels, end]);
    }

    /// <summary>For DPM-Solver, UniPC and DEIS: whole timesteps, and shapes over the whole table.</summary>
    internal static SamplingGrid CreateForSolver(SamplerOptions options, NoiseTable table, int steps, TimestepSpacing spacing)
    {
        double end = End(options, table);
        if (options.SigmaSchedule != SigmaSchedule.FromTimesteps)
        {
            bool ranges = options.SigmaSchedule != SigmaSchedule.Lu;
            double largest = (ranges ? options.SigmaMax : null) ?? table.LargestSigma, smallest = (ranges ? options.SigmaMin : null) ?? table.SmallestSigma;
            double[] levels = SigmaShapes.Create(options.SigmaSchedule, largest, smallest, steps);
            // These end where their levels were asked to end, not at the table's end. The reference takes the last level, which for one step is the first.
            if (options is { FinalSigma: FinalSigma.SigmaMin, Sampler: SamplerKind.UniPc or SamplerKind.Deis }) end = smallest;
            Func<double, double> whole = IsTruncated(options) ? Truncated : Math.Round;
            return new SamplingGrid([.. levels.Select(table.Timestep).Select(whole)], [.. levels, end]);
        }
        double[] timesteps = options.CustomTimesteps is { } custom ? [.. custom] : Spaced(options, table, steps, spacing);
        return new SamplingGrid(timesteps, [.. timesteps.Select(table.Sigma), end]);
    }

    private static double[] Spaced(SamplerOptions options, NoiseTable table, int steps, TimestepSpacing spacing)
    {
        // These know no end of the range.
        int last = options.Sampler is SamplerKind.UniPc or SamplerKind.Deis ? table.Steps : table.StepsAbove(options.LambdaMinClipped);
        if (last < steps)
            throw new MuralException($"Of the training steps, lambda_min_clipped {options.LambdaMinClipped} leaves {last}, but {steps} steps were asked for; lower it.");
        return TimestepGrid.CreateForSolver(spacing, table.Steps, last, steps, options.StepsOffset);
    }

    /// <summary>For samplers that make two calls a step, the second between the step's ends: the inner noise levels are put in between.</summary>
    internal static SamplingGrid WithInnerCalls(SamplingGrid grid, NoiseTable table, Func<double, double, double> inner)
    {
        int steps = grid.Timesteps.Length;
        double[] between = [.. Enumerable.Range(0, steps - 1).Select(step => inner(grid.Sigmas[step], grid.Sigmas[step + 1]))];
        return new SamplingGrid(
            [.. Interleave(grid.Timesteps, [.. between.Select(table.Timestep)])],
            [.. Interleave(grid.Sigmas[..steps], between), grid.Sigmas[^1]]);
    }

    internal static double End(SamplerOptions options, NoiseTable table) => options.FinalSigma == FinalSigma.Zero ? 0 : table.SmallestSigma;

    private static IEnumerable<double> Interleave(double[] outer, double[] inner) =>
        outer.SelectMany((value, step) => step < inner.Length ? new[] { value, inner[step] } : [value]);

    // The multistep solver leaves the timesteps of a cosine table as they are, so that the conversion to whole numbers truncates them.
    private static bool IsTruncated(SamplerOptions options) => options.SigmaSchedule switch
    {
        SigmaSchedule.Exponential or SigmaSchedule.Beta => true,
        SigmaSchedule.Karras or SigmaSchedule.Lu => options.Sampler == SamplerKind.DpmMultistep && options.BetaSchedule == BetaSchedule.SquaredCosine,
        _ => false,
    };

    private static double Truncated(double timestep) => Math.Max(0, Math.Floor(timestep - RoundingOf32Bits));
}
