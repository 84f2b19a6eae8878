using Mural.Samplers;

namespace Mural.Tests.Samplers;

public class EulerMaruyamaTests
{
    private static readonly LinearNoiseSchedule Schedule = new();

    // Exact for Gaussian data of standard deviation 0.5.
    private static Tensor Gaussian(Tensor x, double time)
    {
        double alpha = Schedule.Alpha(time), sigma = Schedule.Sigma(time);
        return x * (sigma / (0.25 * alpha * alpha + sigma * sigma));
    }

    [Fact]
    public void StochasticRunGivesTheDataDistribution()
    {
        using var scope = NewDisposeScope();
        var generator = new Generator(11);
        Tensor x = randn([1, 1, 100, 100], generator: generator);
        Tensor result = EulerMaruyama.SampleSde(Gaussian, x, Schedule, new EulerMaruyamaOptions { Steps = 400 }, like => randn(like.shape, generator: generator));
        Assert.Equal(0.5, result.std().item<float>(), 0.015);
        Assert.Equal(0, result.mean().item<float>(), 0.02);
        Assert.InRange(((result - result.mean()) * (x - x.mean())).mean().item<float>(), -0.02, 0.02);
    }

    [Fact]
    public void DeterministicRunScalesTheStateToTheData()
    {
        using var scope = NewDisposeScope();
        Tensor x = randn([1, 1, 4, 4], generator: new Generator(12));
        Tensor result = EulerMaruyama.SampleOde(Gaussian, x, Schedule, new EulerMaruyamaOptions { Steps = 4000 });
        Assert.True(result.allclose(x * 0.5, rtol: 0.01));
    }

    [Fact]
    public void NoiseIsDrawnOnEveryStepButTheLast()
    {
        using var scope = NewDisposeScope();
        int draws = 0, reports = 0;
        Tensor Draw(Tensor like)
        {
            draws++;
            return zeros_like(like);
        }
        EulerMaruyama.SampleSde(Gaussian, ones(1, 1, 1, 1), Schedule, new EulerMaruyamaOptions { Steps = 6 }, Draw, step => Assert.Equal((++reports, 6), (step.Index, step.Count)));
        Assert.Equal((5, 6), (draws, reports));
    }

    [Fact]
    public void CancellationStopsBeforeTheNextEvaluation()
    {
        using var scope = NewDisposeScope();
        using var source = new CancellationTokenSource();
        void Cancel(SamplerStep step) => source.Cancel();
        Assert.Throws<OperationCanceledException>(() => EulerMaruyama.SampleOde(Gaussian, ones(1, 1, 1, 1), Schedule, new EulerMaruyamaOptions(), Cancel, source.Token));
    }

    [Theory]
    [InlineData(1, 1e-3)]
    [InlineData(10, 0)]
    [InlineData(10, 1)]
    public void ImpossibleSettingsAreExplained(int steps, double endTime)
    {
        using var scope = NewDisposeScope();
        Assert.Throws<MuralException>(() => EulerMaruyama.SampleOde(Gaussian, ones(1, 1, 1, 1), Schedule, new EulerMaruyamaOptions { Steps = steps, EndTime = endTime }));
    }

    [Fact]
    public void NoTensorOutlivesTheRun()
    {
        using Tensor x = ones(1, 1, 2, 2);
        static long Live() => DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        void Run() => EulerMaruyama.SampleSde(Gaussian, x, Schedule, new EulerMaruyamaOptions { Steps = 50 }, like => ones_like(like)).Dispose();
        Run();
        long before = Live();
        Run();
        Assert.Equal(before, Live());
    }
}
