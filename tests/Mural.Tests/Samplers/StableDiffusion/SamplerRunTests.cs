using Mural.Samplers;

namespace Mural.Tests.Samplers.StableDiffusion;

public class SamplerRunTests
{
    // Standard deviation of the data that the made-up network knows exactly.
    private const double Deviation = 0.5;

    public static TheoryData<SamplerKind> AllKinds => [.. Enum.GetValues<SamplerKind>()];

    private static SamplerOptions Checkpoint(SamplerKind kind) => new()
    {
        Sampler = kind,
        BetaSchedule = BetaSchedule.ScaledLinear,
        BetaStart = 0.00085,
        BetaEnd = 0.012,
        TimestepSpacing = TimestepSpacing.Trailing,
        ClipSample = false,
        SkipPrkSteps = true,
        OriginalInferenceSteps = 500,
    };

    [Theory]
    [InlineData(SamplerKind.Ddim, 0.02)]
    [InlineData(SamplerKind.Euler, 0.02)]
    [InlineData(SamplerKind.Pndm, 0.02)]
    [InlineData(SamplerKind.Heun, 0.003)]
    [InlineData(SamplerKind.Lms, 0.003)]
    [InlineData(SamplerKind.DpmMultistep, 0.003)]
    [InlineData(SamplerKind.DpmSinglestep, 0.005)]
    [InlineData(SamplerKind.Dpm2, 0.003)]
    [InlineData(SamplerKind.UniPc, 0.003)]
    [InlineData(SamplerKind.Deis, 0.003)]
    public void DeterministicRunsFollowTheExactPath(SamplerKind kind, double tolerance)
    {
        using var scope = NewDisposeScope();
        foreach (PredictionType type in Enum.GetValues<PredictionType>().Where(type => kind != SamplerKind.Pndm || type != PredictionType.Sample))
        {
            Sampler sampler = Sampler.Create(Checkpoint(kind) with { PredictionType = type }, 100);
            Tensor state = ones([1, 1, 1, 1], float64) * sampler.InitialNoiseSigma;
            double result = sampler.Sample(Exact(sampler), state, _ => throw new InvalidOperationException(), ..^1).item<double>();
            // Where the data is Gaussian, the path is that of its standard deviation at each noise level; the last step, to none, is a coarse one of order 1.
            double expected = Spread(kind, sampler.Sigmas[^2]) / Spread(kind, sampler.Sigmas[0]) * sampler.InitialNoiseSigma;
            Assert.InRange(result / expected, 1 - tolerance, 1 + tolerance);
        }
    }

    // Steps of order 1 narrow the distribution a little.
    [Theory]
    [InlineData(SamplerKind.Ddpm, 0.06)]
    [InlineData(SamplerKind.Ddim, 0.06)]
    [InlineData(SamplerKind.EulerAncestral, 0.06)]
    [InlineData(SamplerKind.DpmMultistep, 0.02)]
    [InlineData(SamplerKind.DpmSinglestep, 0.08)]
    [InlineData(SamplerKind.DpmSde, 0.02)]
    [InlineData(SamplerKind.Dpm2Ancestral, 0.02)]
    public void StochasticRunsGiveTheDataDistribution(SamplerKind kind, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        Sampler sampler = Sampler.Create(Checkpoint(kind) with { Eta = 1, SolverAlgorithm = SolverAlgorithm.SdeDpmSolverPlusPlus }, 100);
        Tensor start = randn([1, 1, 150, 150], generator: generator) * sampler.InitialNoiseSigma;
        Tensor result = sampler.Sample(Exact(sampler), start, like => randn(like.shape, generator: generator), ..^1);
        Assert.Equal(1, result.std().item<float>() / Spread(kind, sampler.Sigmas[^2]), tolerance);
        Assert.Equal(0, result.mean().item<float>(), 0.02);
        // Little is left of the noise at the start, where a deterministic run keeps all of it.
        Assert.InRange((result * start).mean().item<float>() / (result.std() * start.std()).item<float>(), -0.5, 0.5);
    }

    // Computed apart, number by number, from the formulas of the reference's classes; m = tanh(0.6 x + 0.5 sin(t/100)).
    [Theory]
    [InlineData(SamplerKind.Dpm2, 0, new[] { 751, 633.911029, 501, 372.846388, 251, 29.841035, 1 },
        new[] { 3.02709702, 2.75665218, 2.54945255, 2.15791468, 1.69511546, 1.62064567, 1.5895949 })]
    [InlineData(SamplerKind.Dpm2Ancestral, 3, new double[] { 751, 501, 501, 251, 251, 1, 1 },
        new[] { 2.2676159, 4.17869097, 3.54570135, 2.14286845, 1.56864909, 1.64184437, 1.61056732 })]
    [InlineData(SamplerKind.DpmSde, 6, new[] { 751, 633.911029, 501, 372.846388, 251, 29.841035, 1 },
        new[] { 3.27358204, 1.52707445, 1.76596041, 1.86082362, 1.24503718, 1.13259321, 1.10804838 })]
    [InlineData(SamplerKind.Tcd, 3, new double[] { 999, 759, 499, 259 }, new[] { 2.84993644, 4.07985743, 5.55671895, 6.15337159 })]
    public void FourStepsHaveTheReferencesValues(SamplerKind kind, int draws, double[] timesteps, double[] states)
    {
        using var scope = NewDisposeScope();
        SamplerOptions options = Checkpoint(kind) with { TimestepSpacing = TimestepSpacing.Leading, StepsOffset = 1, OriginalInferenceSteps = 50 };
        Sampler sampler = Sampler.Create(options, 4);
        double[] drawn = [0.5, -1.2, 0.3, 0.9, -0.4, 1.1];
        int used = 0;
        List<double> kept = [];
        Tensor Keep(Tensor state, int next)
        {
            kept.Add(state.item<double>());
            return state;
        }
        sampler.Sample(MadeUp, ones([1, 1, 1, 1], float64) * sampler.InitialNoiseSigma, like => full_like(like, drawn[used++]), afterCall: Keep);
        Assert.Equal(timesteps, sampler.Timesteps, (a, b) => Math.Abs(a - b) < 1e-5);
        Assert.Equal(states, kept, (a, b) => Math.Abs(a - b) < 1e-7);
        Assert.Equal(draws, used);
    }

    // Computed apart from the formulas of the reference's class, which has the integrals of every order written out.
    [Theory]
    [InlineData(1, true, new[] { 1.18430233, 1.54651763, 1.8060393, 1.5851399 })]
    [InlineData(2, true, new[] { 1.18430233, 1.62227751, 1.8870752, 1.67425125 })]
    [InlineData(3, true, new[] { 1.18430233, 1.62227751, 1.8870752, 1.67425125 })]
    [InlineData(3, false, new[] { 1.18430233, 1.62227751, 1.84275443, 1.0070389 })]
    public void ExponentialIntegratorHasTheReferencesValues(int order, bool lowersAtEnd, double[] states)
    {
        using var scope = NewDisposeScope();
        SamplerOptions options = SchedulerConfig.Parse(
            """{ "_class_name": "DEISMultistepScheduler", "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012,"""
            + """ "algorithm_type": "deis", "solver_type": "logrho", "timestep_spacing": "leading", "steps_offset": 1 }""",
            "a test");
        Sampler sampler = Sampler.Create(options with { SolverOrder = order, LowerOrderFinal = lowersAtEnd }, 4);
        List<double> kept = [];
        Tensor Keep(Tensor state, int next)
        {
            kept.Add(state.item<double>());
            return state;
        }
        sampler.Sample(MadeUp, ones([1, 1, 1, 1], float64), _ => throw new InvalidOperationException(), afterCall: Keep);
        Assert.Equal(1, sampler.InitialNoiseSigma);
        Assert.Equal(states, kept, (a, b) => Math.Abs(a - b) < 1e-7);
    }

    // The reference's own test of its class, whose network is m = x t/(t + 1) and whose sample counts up to 1.
    [Fact]
    public void RungeKuttaStartGivesThePublishedSum()
    {
        using var scope = NewDisposeScope();
        Sampler sampler = Sampler.Create(new SamplerOptions { Sampler = SamplerKind.Pndm }, 10);
        Assert.Equal(19, sampler.Timesteps.Count);
        Tensor result = sampler.Sample(
            (x, call) => x * (call.Timestep / (call.Timestep + 1)), arange(768, float32).div(768).reshape(4, 3, 8, 8), _ => throw new InvalidOperationException());
        Assert.Equal(198.1318, result.abs().sum().item<float>(), 1e-2);
    }

    [Fact]
    public void RungeKuttaStartsFromNoiseOnly()
    {
        Sampler sampler = Sampler.Create(new SamplerOptions { Sampler = SamplerKind.Pndm }, 10);
        Assert.Equal(0, sampler.FirstCall(1));
        using Tensor x = zeros(1, 1, 2, 2);
        foreach (Action late in new Action[]
        {
            () => sampler.FirstCall(0.5), () => sampler.FirstCallOf(4), () => sampler.CallsBefore(0.8), () => sampler.Sample(MadeUp, x, like => randn_like(like), calls: 3..)
        })
            Assert.Contains("can only start from noise", Assert.Throws<MuralException>(late).Message, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(AllKinds))]
    public void StatesMayBeReplacedAfterEveryCall(SamplerKind kind)
    {
        using var scope = NewDisposeScope();
        Sampler sampler = Sampler.Create(Checkpoint(kind), 5);
        Tensor known = full([1, 1, 2, 2], 7.0, ScalarType.Float32);
        List<int> next = [];
        Tensor Replace(Tensor state, int call)
        {
            next.Add(call);
            return known;
        }
        Tensor result = sampler.Sample(MadeUp, zeros(1, 1, 2, 2), like => randn_like(like), afterCall: Replace);
        Assert.True(result.Equals(known));
        Assert.Equal(Enumerable.Range(1, sampler.Timesteps.Count), next);
    }

    [Theory, MemberData(nameof(AllKinds))]
    public void ProgressCountsTheCallsOfTheRun(SamplerKind kind)
    {
        using var scope = NewDisposeScope();
        Sampler sampler = Sampler.Create(Checkpoint(kind), 6);
        int first = sampler.FirstCall(0.5), count = sampler.Timesteps.Count - first;
        List<SamplerStep> steps = [];
        List<DenoiserCall> calls = [];
        Tensor Network(Tensor x, DenoiserCall call)
        {
            calls.Add(call);
            return MadeUp(x, call);
        }
        sampler.Sample(Network, ones(1, 1, 1, 1), like => randn_like(like), first.., onStep: steps.Add);
        Assert.Equal(Enumerable.Range(1, count).Select(index => (index, (int?)count)), steps.Select(step => (step.Index, step.Count)));
        Assert.Equal(sampler.Timesteps.Skip(first).Select((timestep, index) => new DenoiserCall(index, count, timestep)), calls);
    }

    [Theory, MemberData(nameof(AllKinds))]
    public void CancellationStopsBeforeTheNextCall(SamplerKind kind)
    {
        using var scope = NewDisposeScope();
        using var source = new CancellationTokenSource();
        int calls = 0;
        Tensor Network(Tensor x, DenoiserCall call)
        {
            if (++calls == 2) source.Cancel();
            return MadeUp(x, call);
        }
        Sampler sampler = Sampler.Create(Checkpoint(kind), 5);
        Assert.Throws<OperationCanceledException>(() => sampler.Sample(Network, ones(1, 1, 1, 1), like => randn_like(like), cancellationToken: source.Token));
        Assert.Equal(2, calls);
    }

    [Theory, MemberData(nameof(AllKinds))]
    public void RunsMayStopEarly(SamplerKind kind)
    {
        using var scope = NewDisposeScope();
        Sampler sampler = Sampler.Create(Checkpoint(kind), 4);
        for (int count = 0; count < sampler.Timesteps.Count; count++)
        {
            int calls = 0;
            Tensor Network(Tensor x, DenoiserCall call)
            {
                calls++;
                return MadeUp(x, call);
            }
            Assert.True(sampler.Sample(Network, ones(1, 1, 1, 1), like => randn_like(like), ..count).isfinite().item<bool>());
            Assert.Equal(count, calls);
        }
    }

    [Theory, MemberData(nameof(AllKinds))]
    public void NoTensorOutlivesTheRun(SamplerKind kind)
    {
        using Tensor x = ones(1, 1, 2, 2);
        static long Live() => DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        long most = 0, before = 0;
        void Run(SamplerOptions options) => Sampler.Create(options, 12).Sample(MadeUp, x, like => ones_like(like), onStep: _ => most = Math.Max(most, Live() - before)).Dispose();
        foreach (SamplerOptions options in new[]
        {
            Checkpoint(kind),
            Checkpoint(kind) with { SolverOrder = 3, Thresholding = true, SolverAlgorithm = SolverAlgorithm.SdeDpmSolverPlusPlus, SkipPrkSteps = false, Eta = 1 },
        })
        {
            Run(options);
            before = Live();
            most = 0;
            Run(options);
            Assert.Equal(before, Live());
            Assert.InRange(most, 1, 30);
        }
    }

    [Fact]
    public void StateStaysAsItIs()
    {
        using var scope = NewDisposeScope();
        Tensor x = ones(1, 1, 2, 2), untouched = x.clone();
        foreach (SamplerKind kind in Enum.GetValues<SamplerKind>())
        {
            Sampler.Create(Checkpoint(kind) with { PredictionType = PredictionType.VPrediction }, 5).Sample(MadeUp, x, like => ones_like(like));
            Assert.True(x.Equals(untouched), $"{kind}");
        }
    }

    [Fact]
    public void PredictedNoiseSaysNothingWhereNoSignalIsLeft()
    {
        using var scope = NewDisposeScope();
        Sampler sampler = Sampler.Create(Checkpoint(SamplerKind.Ddim) with { RescaleBetasZeroSnr = true }, 5);
        Assert.Throws<MuralException>(() => sampler.Sample(MadeUp, ones(1, 1, 1, 1), like => randn_like(like)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.5)]
    [InlineData(1)]
    public void RunsFromPureNoiseAreFinite(double eta)
    {
        using var scope = NewDisposeScope();
        SamplerOptions options = Checkpoint(SamplerKind.Ddim) with { RescaleBetasZeroSnr = true, PredictionType = PredictionType.VPrediction, Eta = eta };
        foreach (int steps in Enumerable.Range(1, 20))
        {
            Tensor result = Sampler.Create(options, steps).Sample(MadeUp, ones(1, 1, 1, 1), like => ones_like(like));
            Assert.True(result.isfinite().item<bool>(), $"{steps} steps");
        }
    }

    [Fact]
    public void RungeKuttaStartNeedsTheWholeSchedule()
    {
        using var scope = NewDisposeScope();
        Sampler sampler = Sampler.Create(Checkpoint(SamplerKind.Pndm) with { SkipPrkSteps = false }, 8);
        Assert.Throws<MuralException>(() => sampler.Sample(MadeUp, ones(1, 1, 1, 1), like => randn_like(like), 4..));
    }

    // The standard deviation of states at a noise level.
    private static double Spread(SamplerKind kind, double sigma)
    {
        bool explodes = kind is not (SamplerKind.Ddim or SamplerKind.Ddpm or SamplerKind.Pndm
            or SamplerKind.DpmMultistep or SamplerKind.DpmSinglestep or SamplerKind.UniPc or SamplerKind.Deis);
        return Math.Sqrt(Deviation * Deviation + sigma * sigma) * (explodes ? 1 : SamplingGrid.Alpha(sigma));
    }

    private static Tensor MadeUp(Tensor x, DenoiserCall call) => tanh(0.6 * x + 0.5 * Math.Sin(call.Timestep / 100));

    // What a perfect network predicts of Gaussian data.
    private static LatentDenoiser Exact(Sampler sampler) => (x, call) =>
    {
        double sigma = sampler.Table.Sigma(call.Timestep), alpha = SamplingGrid.Alpha(sigma), share = SamplingGrid.NoiseShare(sigma);
        double data = alpha * Deviation * Deviation / (alpha * alpha * Deviation * Deviation + share * share), noise = (1 - alpha * data) / share;
        return x * sampler.Options.PredictionType switch
        {
            PredictionType.Epsilon => noise,
            PredictionType.VPrediction => alpha * noise - share * data,
            _ => data,
        };
    };
}
