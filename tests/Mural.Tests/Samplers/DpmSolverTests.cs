using Mural.Samplers;
using Mural.Tests.Goldens;

namespace Mural.Tests.Samplers;

[Trait("Area", "dim")]
public class DpmSolverTests
{
    private static readonly DiscreteNoiseSchedule Discrete = DiscreteNoiseSchedule.ScaledLinear();

    public static TheoryData<string> Cases => GoldenCase.Names("dim", golden => golden.Json["config"]?["fake_model"] is not null);

    [GoldenTheory, MemberData(nameof(Cases))]
    public void OfficialRunIsRepeated(string name)
    {
        using GoldenCase golden = GoldenCase.Open("dim", name);
        DpmGoldens.Check(golden, DpmGoldens.MadeUpModel(golden.Config));
    }

    // DiM specification 10.7.
    [Fact]
    public void GridAndFirstStepHaveThePublishedValues()
    {
        double[] times = TimeGrid.Create(TimeSpacing.Time, Discrete, 1, 1e-3, 50);
        Assert.Equal([1, 0.98002, 0.96004, 0.94006], times[..4], Close(1e-12));
        Assert.Equal([0.04096, 0.02098, 0.001], times[48..], Close(1e-12));
        Assert.Equal([-2.68202385, -2.56247335, -2.44628878, -2.33339062], times[..4].Select(Discrete.Lambda), Close(1e-7));
        Assert.Equal([1.61470641, 1.98107583, 3.53471192], times[48..].Select(Discrete.Lambda), Close(1e-7));
        IReadOnlyList<DpmStep> plan = DpmSolverPlan.Create(new DpmSolverOptions(), Discrete);
        Assert.Equal([.. Enumerable.Repeat(3, 16), 2], plan.Select(step => step.Order));
        Assert.Equal(0.34863323, Discrete.Lambda(plan[0].End) - Discrete.Lambda(plan[0].Start), 1e-7);
        Assert.Equal((0.34291195, 0.67616924), (plan[0].FirstRatio, plan[0].SecondRatio), Comparer(1e-7));
    }

    [Theory]
    [InlineData(DpmForm.Data)]
    [InlineData(DpmForm.Noise)]
    public void WithoutNoiseTheStateGrowsByTheRatioOfAlphas(DpmForm form) =>
        Assert.Equal(14.6425865, Scalar(form, 50, (x, _) => zeros_like(x)), 1e-4);

    [Theory]
    [InlineData(DpmForm.Data, 0.50904410)]
    [InlineData(DpmForm.Noise, 0.52302204)]
    public void GaussianDataIsSampledAsPublished(DpmForm form, double expected) => Assert.Equal(expected, Scalar(form, 50, Gaussian), 1e-6);

    // The exact ODE gives 0.50151428; both forms must approach it, also on a grid that ends in one step of first order.
    [Theory]
    [InlineData(DpmForm.Data, 600)]
    [InlineData(DpmForm.Noise, 601)]
    public void ManyStepsApproachTheExactSolution(DpmForm form, int steps) => Assert.Equal(0.50151428, Scalar(form, steps, Gaussian, TimeSpacing.LogSnr), 2e-3);

    [Theory]
    [InlineData(1, 3, new[] { 1 })]
    [InlineData(2, 3, new[] { 2 })]
    [InlineData(3, 3, new[] { 2, 1 })]
    [InlineData(4, 3, new[] { 3, 1 })]
    [InlineData(6, 3, new[] { 3, 2, 1 })]
    [InlineData(1, 2, new[] { 1 })]
    [InlineData(5, 2, new[] { 2, 2, 1 })]
    public void EveryStepCountIsSpentExactly(int steps, int order, int[] orders) =>
        Assert.Equal(orders, DpmSolverPlan.Create(new DpmSolverOptions { Steps = steps, Order = order }, Discrete).Select(step => step.Order));

    // The official code converts to data twice here; the data prediction at the end time is what is meant.
    [Fact]
    public void DenoisingInTheDataFormGivesThePredictedData()
    {
        using var scope = NewDisposeScope();
        Tensor x = randn(1, 2, 3, 3, generator: new Generator(3));
        Denoiser constant = (state, _) => state * 0.25;
        Tensor without = DpmSolver.Sample(constant, x, Discrete, new DpmSolverOptions { Steps = 5 });
        Tensor with = DpmSolver.Sample(constant, x, Discrete, new DpmSolverOptions { Steps = 5, Denoise = true });
        Tensor data = (without - Discrete.Sigma(1e-3) * 0.25 * without) / Discrete.Alpha(1e-3);
        Assert.True(with.allclose(data, rtol: 1e-6));
    }

    [Fact]
    public void EachEvaluationIsReportedWithItsEstimate()
    {
        using var scope = NewDisposeScope();
        Tensor x = randn(2, 1, 2, 2, generator: new Generator(5));
        foreach (DpmForm form in Enum.GetValues<DpmForm>())
        {
            var seen = new List<(int, int?)>();
            void Check(SamplerStep step)
            {
                seen.Add((step.Index, step.Count));
                Tensor noised = step.Estimate * Discrete.Alpha(step.Time) + Gaussian(step.Latent, step.Time) * Discrete.Sigma(step.Time);
                Assert.True(noised.allclose(step.Latent, rtol: 1e-4, atol: 1e-5));
            }
            DpmSolver.Sample(Gaussian, x, Discrete, new DpmSolverOptions { Steps = 4, Form = form }, Check);
            Assert.Equal([(1, 4), (2, 4), (3, 4), (4, 4)], seen);
        }
    }

    [Fact]
    public void CancellationStopsBeforeTheNextEvaluation()
    {
        using var scope = NewDisposeScope();
        using var source = new CancellationTokenSource();
        int calls = 0;
        Tensor Cancelling(Tensor x, double time)
        {
            if (++calls == 2) source.Cancel();
            return Gaussian(x, time);
        }
        Assert.Throws<OperationCanceledException>(() => DpmSolver.Sample(Cancelling, ones(1, 1, 1, 1), Discrete, new DpmSolverOptions(), null, source.Token));
        Assert.Equal(2, calls);
    }

    [Theory]
    [InlineData(DpmMethod.Fast)]
    [InlineData(DpmMethod.Adaptive)]
    public void NoTensorOutlivesTheRun(DpmMethod method)
    {
        using Tensor x = randn(2, 1, 4, 4, generator: new Generator(7));
        var options = new DpmSolverOptions { Steps = 9, Method = method, Threshold = new DynamicThreshold() };
        long most = 0;
        long Live() => DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        DpmSolver.Sample(Gaussian, x, Discrete, options).Dispose();
        long before = Live();
        DpmSolver.Sample(Gaussian, x, Discrete, options, step => most = Math.Max(most, Live() - before)).Dispose();
        Assert.Equal(before, Live());
        Assert.InRange(most, 1, 20);
    }

    public static TheoryData<DpmSolverOptions> Contradictions => new(
        new DpmSolverOptions { Steps = 0 },
        new DpmSolverOptions { Order = 1 },
        new DpmSolverOptions { Order = 4, Method = DpmMethod.SingleStep },
        new DpmSolverOptions { Steps = 2, Method = DpmMethod.SingleStep },
        new DpmSolverOptions { EndTime = 0 },
        new DpmSolverOptions { EndTime = 1 },
        new DpmSolverOptions { Form = DpmForm.Noise, Threshold = new DynamicThreshold() });

    [GoldenTheory, MemberData(nameof(Contradictions))]
    public void ContradictionsAreExplained(DpmSolverOptions options)
    {
        using Tensor x = ones(1, 1, 1, 1);
        Assert.Throws<MuralException>(() => DpmSolver.Sample(Gaussian, x, Discrete, options));
    }

    [Fact]
    public void AdaptiveRunOnBrokenPredictionsEnds()
    {
        using var scope = NewDisposeScope();
        var options = new DpmSolverOptions { Method = DpmMethod.Adaptive };
        Assert.Throws<MuralException>(() => DpmSolver.Sample((x, _) => x * double.NaN, ones(1, 1, 1, 1), Discrete, options));
    }

    // The exact noise prediction for Gaussian data of standard deviation 0.5.
    private static Tensor Gaussian(Tensor x, double time)
    {
        double alpha = Discrete.Alpha(time), sigma = Discrete.Sigma(time);
        return x * (sigma / (0.25 * alpha * alpha + sigma * sigma));
    }

    private static double Scalar(DpmForm form, int steps, Denoiser denoiser, TimeSpacing spacing = TimeSpacing.Time)
    {
        using var scope = NewDisposeScope();
        return DpmSolver.Sample(denoiser, ones([1, 1, 1, 1], float64), Discrete, new DpmSolverOptions { Form = form, Steps = steps, Spacing = spacing }).item<double>();
    }

    private static Func<double, double, bool> Close(double tolerance) => (a, b) => Math.Abs(a - b) <= tolerance;

    private static Func<(double, double), (double, double), bool> Comparer(double tolerance) =>
        (a, b) => Math.Abs(a.Item1 - b.Item1) <= tolerance && Math.Abs(a.Item2 - b.Item2) <= tolerance;
}
