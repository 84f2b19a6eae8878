using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>One way of sampling: what its timesteps are, and the loop over them. A new one is a file of its own and a line in <see cref="SamplerMethods"/>.</summary>
/// <param name="Kind">What options name it by.</param>
/// <param name="SchedulerClass">What diffusers' configurations name it by.</param>
/// <param name="Plan">Timesteps and noise levels for a number of steps.</param>
/// <param name="Run">The loop: takes the state at the run's first call to that after its last, both in the run's dispose scope.</param>
internal sealed record SamplerMethod(
    SamplerKind Kind,
    string SchedulerClass,
    Func<SamplerOptions, NoiseTable, int, SamplingGrid> Plan,
    Func<SamplingRun, Tensor, Tensor> Run)
{
    /// <summary>Whether the state is the clean latent plus σ times noise, or keeps a variance of 1.</summary>
    internal bool VarianceExplodes { get; init; }

    /// <summary>Network calls in a step; steps are counted in whole ones where a run starts in the middle.</summary>
    internal int CallsPerStep { get; init; } = 1;

    /// <summary>Whether noise levels can be spread by themselves, as <see cref="SigmaSchedule"/> says.</summary>
    internal bool HasSigmaSchedules { get; init; }

    /// <summary>Whether timesteps are spread as <see cref="TimestepSpacing"/> says.</summary>
    internal bool HasTimestepSpacings { get; init; } = true;

    /// <summary>Whether noise can be stretched to zero terminal signal-to-noise ratio; the reference passes over the option elsewhere.</summary>
    internal bool HasZeroTerminal { get; init; }

    /// <summary>Whether <see cref="SamplerOptions.CustomTimesteps"/> can be given.</summary>
    internal bool TakesTimesteps { get; init; }

    /// <summary>Whether <see cref="SamplerOptions.CustomSigmas"/> can be given.</summary>
    internal bool TakesSigmas { get; init; }

    /// <summary>The noise variances where the options do not say any.</summary>
    internal (BetaSchedule Schedule, double First, double Last) DefaultBetas { get; init; } = (BetaSchedule.Linear, 0.0001, 0.02);

    /// <summary>What only this sampler can find wrong with the options.</summary>
    internal Action<SamplerOptions, int> Check { get; init; } = (_, _) => { };

    /// <summary>What it can find wrong with a run that does not start with the first call.</summary>
    internal Action<SamplerOptions> CheckLaterStart { get; init; } = _ => { };
}

/// <summary>The ways of sampling.</summary>
internal static class SamplerMethods
{
    internal static IReadOnlyList<SamplerMethod> All { get; } =
    [
        Ddim.Method, Ddpm.Method, Pndm.Method, Euler.Method, EulerAncestral.Method, Heun.Method, Lms.Method, DpmMultistep.Method,
        DpmSinglestep.Method, DpmSde.Method, Dpm2.Method, Dpm2.AncestralMethod, UniPc.Method, Deis.Method, Lcm.Method, Tcd.Method,
    ];

    internal static SamplerMethod Of(SamplerKind kind) => All.First(method => method.Kind == kind);
}
