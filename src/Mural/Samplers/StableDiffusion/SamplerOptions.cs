namespace Mural.Samplers;

/// <summary>
/// How a Stable Diffusion checkpoint is sampled: the settings of diffusers' <c>scheduler_config.json</c> under their own names. Null stands for the
/// sampler's own default, which another sampler may not share, so that changing <see cref="Sampler"/> keeps what was said and nothing else. A sampler
/// passes over settings that it does not know.
/// </summary>
public sealed record SamplerOptions
{
    /// <summary>The sampler; null where a checkpoint names one that Mural does not have.</summary>
    public SamplerKind? Sampler { get; init; } = SamplerKind.Euler;

    /// <summary>T, the number of steps the model was trained on.</summary>
    public int TrainTimesteps { get; init; } = 1000;

    /// <summary>How the noise variances grow; null for linear, of LCM and TCD scaled linear.</summary>
    public BetaSchedule? BetaSchedule { get; init; }

    /// <summary>The first noise variance; null for 0.0001, of the newer samplers 0.00085.</summary>
    public double? BetaStart { get; init; }

    /// <summary>The last noise variance; null for 0.02, of the newer samplers 0.012.</summary>
    public double? BetaEnd { get; init; }

    /// <summary>The noise variances of all training steps, where no formula gives them.</summary>
    public IReadOnlyList<double>? TrainedBetas { get; init; }

    /// <summary>Whether the noise is stretched until nothing of the picture is left at the last training step; needs <see cref="PredictionType.VPrediction"/>.</summary>
    public bool RescaleBetasZeroSnr { get; init; }

    /// <summary>What the network predicts.</summary>
    public PredictionType PredictionType { get; init; }

    /// <summary>How timesteps are spread; null for leading (DDIM, DDPM, PNDM) or linspace (the others).</summary>
    public TimestepSpacing? TimestepSpacing { get; init; }

    /// <summary>Added to the timesteps of leading spacing; Stable Diffusion uses 1.</summary>
    public int StepsOffset { get; init; }

    /// <summary>Whether Euler tells a network that predicts the velocity a quarter of ln σ instead of the timestep, as one expects that was trained without timesteps.</summary>
    public bool ContinuousTimesteps { get; init; }

    /// <summary>How noise levels are spread.</summary>
    public SigmaSchedule SigmaSchedule { get; init; }

    /// <summary>How Euler finds noise levels between training steps.</summary>
    public SigmaInterpolation SigmaInterpolation { get; init; }

    /// <summary>The lower end of a spread of noise levels; null for that of the timesteps or of the table.</summary>
    public double? SigmaMin { get; init; }

    /// <summary>The upper end of a spread of noise levels; null for that of the timesteps or of the table.</summary>
    public double? SigmaMax { get; init; }

    /// <summary>The noise level that Euler, DPM-Solver and UniPC end at.</summary>
    public FinalSigma FinalSigma { get; init; }

    /// <summary>Whether the predicted clean latent is clipped; null for yes with DDIM and DDPM, no with the others.</summary>
    public bool? ClipSample { get; init; }

    /// <summary>The largest magnitude that clipping leaves.</summary>
    public double ClipSampleRange { get; init; } = 1;

    /// <summary>Whether the predicted clean latent is clipped to a quantile of its own magnitudes and scaled; for models of pixels.</summary>
    public bool Thresholding { get; init; }

    /// <summary>That quantile, in [0, 1].</summary>
    public double DynamicThresholdingRatio { get; init; } = 0.995;

    /// <summary>The largest value that the quantile may have.</summary>
    public double SampleMaxValue { get; init; } = 1;

    /// <summary>Whether DDIM and PNDM end without noise, or with that of the first training step; null for yes with DDIM, no with PNDM.</summary>
    public bool? SetAlphaToOne { get; init; }

    /// <summary>Whether PNDM starts with its multistep formulas, or with three steps of Runge-Kutta, 12 network calls.</summary>
    public bool SkipPrkSteps { get; init; }

    /// <summary>The variance of the noise that DDPM adds.</summary>
    public VarianceType VarianceType { get; init; }

    /// <summary>What DPM-Solver integrates.</summary>
    public SolverAlgorithm SolverAlgorithm { get; init; } = SolverAlgorithm.DpmSolverPlusPlus;

    /// <summary>How DPM-Solver and UniPC use their past predictions; null, or the other's types, for midpoint and B(h) of the second kind.</summary>
    public SolverType? SolverType { get; init; }

    /// <summary>The order of DPM-Solver, UniPC and DEIS, 1 to 3.</summary>
    public int SolverOrder { get; init; } = 2;

    /// <summary>Whether DPM-Solver, UniPC and DEIS lower their order at the end; null for no with the single-step solver, yes with the others.</summary>
    public bool? LowerOrderFinal { get; init; }

    /// <summary>Whether the last step of the multistep DPM-Solver is of order 1 whatever the number of steps.</summary>
    public bool EulerAtFinal { get; init; }

    /// <summary>Training steps whose half log signal-to-noise ratio is lower are not used by DPM-Solver; for cosine schedules.</summary>
    public double LambdaMinClipped { get; init; } = double.NegativeInfinity;

    /// <summary>Whether UniPC works on the predicted clean latent or on the predicted noise.</summary>
    public bool PredictX0 { get; init; } = true;

    /// <summary>The steps that UniPC does not correct, from 0.</summary>
    public IReadOnlyList<int> DisableCorrector { get; init; } = [];

    /// <summary>The number of steps that LCM and TCD models were distilled from; their timesteps are chosen among these.</summary>
    public int OriginalInferenceSteps { get; init; } = 50;

    /// <summary>
    /// The share of these steps, from the noiseless end, that is chosen from, or of <see cref="CustomTimesteps"/> that is run; below 1 for image-to-image with a
    /// fully distilled LCM.
    /// </summary>
    public double OriginalStepsShare { get; init; } = 1;

    /// <summary>What LCM multiplies timesteps by where its output joins the noisy latent.</summary>
    public double TimestepScaling { get; init; } = 10;

    /// <summary>The share of noise η in [0, 1]; null for 0 with DDIM, 0.3 with TCD.</summary>
    public double? Eta { get; init; }

    /// <summary>Whether DDIM finds the noise anew after clipping.</summary>
    public bool UseClippedModelOutput { get; init; }

    /// <summary>Noise that Euler adds before its steps.</summary>
    public EulerChurn Churn { get; init; } = new();

    /// <summary>The order of LMS, 1 to 4.</summary>
    public int LmsOrder { get; init; } = 4;

    /// <summary>Falling timesteps to use instead of spaced ones.</summary>
    public IReadOnlyList<double>? CustomTimesteps { get; init; }

    /// <summary>Falling noise levels to use instead of scheduled ones, the last one, where the run ends, among them; for samplers that work in σ.</summary>
    public IReadOnlyList<double>? CustomSigmas { get; init; }

    /// <summary>The class that a checkpoint names where <see cref="Sampler"/> is null.</summary>
    internal string? UnknownClass { get; init; }

    /// <summary>Reads a diffusers <c>scheduler_config.json</c>; keys that say nothing about sampling are passed over.</summary>
    /// <param name="path">The file, or the folder that holds it.</param>
    /// <exception cref="MuralException">The file is missing, is not JSON, or asks for something that is not supported.</exception>
    public static SamplerOptions Load(string path) => SchedulerConfig.Read(path);

    /// <summary>Another sampler and another schedule, as a person names them; everything else stays.</summary>
    /// <param name="sampler">
    /// A name such as <c>dpmpp-2m</c>, or that of other programs such as <c>DPM++ 2M Karras</c> or <c>Euler a</c>; null to keep the sampler.
    /// </param>
    /// <param name="schedule">A name such as <c>karras</c>, <c>exponential</c>, <c>beta</c> or <c>trailing</c>; null to keep the schedule.</param>
    /// <exception cref="MuralException">There is no such name, or the sampler has no such schedule.</exception>
    public SamplerOptions Override(string? sampler = null, string? schedule = null)
    {
        SamplerOptions options = sampler is null ? this : SamplerNames.Choose(this, sampler);
        return schedule is null ? options : ScheduleNames.Choose(options, schedule);
    }

    /// <summary>The corrections that Stable Diffusion 1 and 2 need, whose older configurations are wrong: an offset of 1, and no clipping.</summary>
    public SamplerOptions RepairForStableDiffusion() => this with { StepsOffset = 1, ClipSample = false };
}
