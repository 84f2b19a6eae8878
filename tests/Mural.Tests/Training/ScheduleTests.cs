using Mural.Training;

namespace Mural.Tests.Training;

public class ScheduleTests
{
    [Fact]
    public void WarmUpStartsAtZeroAndIsLinear()
    {
        var schedule = new ScheduleConfig { WarmupSteps = 4, Decay = LearningRateDecay.Constant };
        Assert.Equal([0, 0.25, 0.5, 0.75, 1, 1], new long[] { 0, 1, 2, 3, 4, 1000 }.Select(step => schedule.Factor(step, 0.9)));
        Assert.Equal(1, (schedule with { WarmupSteps = 0 }).Factor(0, 0));
    }

    [Fact]
    public void ACosineFallsToItsFraction()
    {
        var schedule = new ScheduleConfig { WarmupSteps = 0, Decay = LearningRateDecay.Cosine, FinalFraction = 0.1 };
        Assert.Equal(1, schedule.Factor(0, 0), 12);
        Assert.Equal(0.1 + 0.9 * (1 + Math.Sqrt(0.5)) / 2, schedule.Factor(9, 0.25), 12);
        Assert.Equal(0.55, schedule.Factor(9, 0.5), 12);
        Assert.Equal(0.1, schedule.Factor(9, 1), 12);
        Assert.Equal(0.1, schedule.Factor(9, 1.5), 12);
        // The warm-up is a factor on it.
        Assert.Equal(0.55 * 0.5, (schedule with { WarmupSteps = 18 }).Factor(9, 0.5), 12);
    }

    [Fact]
    public void AnEarlyAverageFollowsFaster()
    {
        Assert.Equal(0.999, new EmaConfig { Decay = 0.999 }.At(0));
        var config = new EmaConfig { Decay = 0.999, Warmup = true };
        Assert.Equal(0.1, config.At(0), 12);
        Assert.Equal(0.5, config.At(8), 12);
        Assert.Equal(0.999, config.At(1_000_000), 12);
    }
}
