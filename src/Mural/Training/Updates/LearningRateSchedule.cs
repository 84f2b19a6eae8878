namespace Mural.Training;

/// <summary>How the learning rate goes on after the warm-up.</summary>
public enum LearningRateDecay
{
    /// <summary>It stays (the released training, spec section 5).</summary>
    Constant,

    /// <summary>It falls along half a cosine wave over the whole run.</summary>
    Cosine,
}

/// <summary>The learning rate's shape: a linear warm-up that starts at 0, then <see cref="Decay"/>.</summary>
public sealed record ScheduleConfig
{
    /// <summary>Steps until the full rate is reached; 0 for none.</summary>
    public int WarmupSteps { get; init; } = 500;

    /// <summary>What follows the warm-up.</summary>
    public LearningRateDecay Decay { get; init; } = LearningRateDecay.Cosine;

    /// <summary>Share of the full rate that a cosine decay ends at, in [0, 1].</summary>
    public double FinalFraction { get; init; } = 0.01;

    /// <summary>The factor on the base rate for one step.</summary>
    /// <param name="step">Steps already made; the first one runs at factor 0 when there is a warm-up.</param>
    /// <param name="progress">Share of the run that is done, in [0, 1].</param>
    public double Factor(long step, double progress)
    {
        double warmup = WarmupSteps > 0 ? Math.Min(1, (double)step / WarmupSteps) : 1;
        if (Decay == LearningRateDecay.Constant) return warmup;
        double wave = (1 + Math.Cos(Math.PI * Math.Clamp(progress, 0, 1))) / 2;
        return warmup * (FinalFraction + (1 - FinalFraction) * wave);
    }

    internal void Check()
    {
        Settings.InRange("schedule.warmup_steps", WarmupSteps, 0, int.MaxValue);
        Settings.InRange("schedule.final_fraction", FinalFraction, 0, 1);
    }
}
