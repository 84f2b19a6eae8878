using FsCheck;
using FsCheck.Fluent;
using Mural.Samplers;

namespace Mural.Tests.Samplers.StableDiffusion;

public class SamplerScheduleTests
{
    private static readonly SamplerKind[] Kinds = Enum.GetValues<SamplerKind>();

    public static TheoryData<SamplerKind> AllKinds => [.. Kinds];

    // numpy's range steps by the difference of its first two entries, which lies beside 1000/48: halves fall.
    [Fact]
    public void TrailingTimestepsAreThoseOfTheReference()
    {
        Sampler sampler = Sampler.Create(new SamplerOptions { Sampler = SamplerKind.Ddim, TimestepSpacing = TimestepSpacing.Trailing }, 48);
        Assert.Equal((999, 978, 957, 936), (sampler.Timesteps[0], sampler.Timesteps[1], sampler.Timesteps[2], sampler.Timesteps[3]));
    }

    // Computed apart, number by number, from the formulas of the reference's classes.
    [Theory]
    [InlineData("sigmoid", new[] { 0.000149205201, 0.010020120210, 0.019950794799 }, new[] { 0.999850794799, 0.301931056602, 3.968181990533e-5 })]
    [InlineData("laplace", new[] { 0.021153757200, 0.000250156227, 0.847252627058 }, new[] { 0.978846242800, 0.707460157800, 0.031622776602 })]
    [InlineData("exp", new[] { 0.011928287138, 0.011928287138, 0.011928287138 }, new[] { 0.988071712862, 0.002478752177, 6.144212353328e-6 })]
    public void BetasAreThoseOfTheReference(string name, double[] betas, double[] alphaBars)
    {
        SamplerOptions options = SchedulerConfig.Parse($$"""{ "_class_name": "DDPMScheduler", "beta_schedule": "{{name}}" }""", "a test");
        NoiseTable table = Sampler.Create(options, 10).Table;
        int[] steps = [0, 499, 999];
        Assert.Equal(betas, steps.Select(table.Beta), (a, b) => Math.Abs(a - b) < 1e-11);
        Assert.Equal(alphaBars, steps.Select(table.AlphaBar), (a, b) => Math.Abs(a / b - 1) < 1e-9);
    }

    [Fact]
    public void AListOfTimestepsIsCutWhereItIsDistilled()
    {
        SamplerOptions options = Checkpoint(SamplerKind.Lcm) with { CustomTimesteps = [999, 759, 499, 259], OriginalStepsShare = 0.6 };
        Sampler sampler = Sampler.Create(options, 4);
        Assert.Equal([499.0, 259.0], sampler.Timesteps.ToArray());
        Assert.Equal((0, 1), (sampler.FirstCall(1), sampler.FirstCall(0.5)));
        Assert.Equal([999.0, 759.0, 499.0, 259.0], Sampler.Create(options with { OriginalStepsShare = 1 }, 4).Timesteps.ToArray());
    }

    // A quarter of ln σ, where the velocity is predicted and Euler is the sampler.
    [Theory]
    [InlineData("EulerDiscreteScheduler", "v_prediction", new[] { 0.6705059626, 0.3516301906, 0.1195063103, -0.0916074133 })]
    [InlineData("EulerDiscreteScheduler", "epsilon", new double[] { 999, 749, 499, 249 })]
    [InlineData("HeunDiscreteScheduler", "v_prediction", new double[] { 999, 749, 749, 499, 499, 249, 249 })]
    public void ContinuousTimestepsAreNoiseLevels(string name, string prediction, double[] timesteps)
    {
        using var scope = NewDisposeScope();
        SamplerOptions options = SchedulerConfig.Parse(
            $$"""{ "_class_name": "{{name}}", "prediction_type": "{{prediction}}", "timestep_type": "continuous","""
            + $$""" "timestep_spacing": "trailing", "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012 }""",
            "a test");
        Sampler sampler = Sampler.Create(options, 4);
        Assert.Equal(timesteps, sampler.Timesteps, (a, b) => Math.Abs(a - b) < 1e-9);
        // Progress and refiners go by the training steps all the same.
        List<double> times = [];
        sampler.Sample((x, call) => tanh(x), ones(1, 1, 1, 1), like => ones_like(like), onStep: step => times.Add(step.Time));
        Assert.Equal([1, 0.75], times.Take(2), (a, b) => Math.Abs(a - b) < 1e-6);
        Assert.Equal(2, sampler.CallsBefore(0.5));
    }

    [Fact]
    public void UniPcEndsWhereItsLevelsWereAskedToEnd()
    {
        SamplerOptions options = new()
        {
            SigmaSchedule = SigmaSchedule.Karras,
            SigmaMin = 0.05,
            FinalSigma = FinalSigma.SigmaMin,
            BetaSchedule = BetaSchedule.ScaledLinear,
            BetaStart = 0.00085,
            BetaEnd = 0.012,
        };
        Assert.Equal(0.05, Sampler.Create(options with { Sampler = SamplerKind.UniPc }, 5).Sigmas[^1], 1e-9);
        Assert.Equal(0.05, Sampler.Create(options with { Sampler = SamplerKind.UniPc }, 1).Sigmas[^1], 1e-9);
        Assert.Equal(0.0292, Sampler.Create(options with { Sampler = SamplerKind.DpmMultistep }, 5).Sigmas[^1], 1e-4);
        // The aligned levels do not reach the end themselves.
        Assert.Equal(0.0292, Sampler.Create(options with { Sampler = SamplerKind.UniPc, SigmaSchedule = SigmaSchedule.AlignYourSteps, SigmaMin = null }, 2).Sigmas[^1], 1e-4);
    }

    [Fact]
    public void KeysOfAnotherClassMeanNothing()
    {
        SamplerOptions Read(string name) => SchedulerConfig.Parse($$"""{ "_class_name": "{{name}}", "use_karras_sigmas": true, "interpolation_type": "log_linear" }""", "a test");
        Assert.Equal(
            (SigmaSchedule.FromTimesteps, SigmaInterpolation.Linear),
            (Read("EulerAncestralDiscreteScheduler").SigmaSchedule, Read("EulerAncestralDiscreteScheduler").SigmaInterpolation));
        Assert.Equal((SigmaSchedule.Karras, SigmaInterpolation.Linear), (Read("HeunDiscreteScheduler").SigmaSchedule, Read("HeunDiscreteScheduler").SigmaInterpolation));
        Assert.Equal((SigmaSchedule.Karras, SigmaInterpolation.LogLinear), (Read("EulerDiscreteScheduler").SigmaSchedule, Read("EulerDiscreteScheduler").SigmaInterpolation));
    }

    [Fact]
    public void LuBelongsToTheMultistepSolver()
    {
        SigmaSchedule Read(string name, string keys) => SchedulerConfig.Parse($$"""{ "_class_name": "{{name}}", "use_lu_lambdas": true{{keys}} }""", "a test").SigmaSchedule;
        Assert.Equal(SigmaSchedule.Lu, Read("DPMSolverMultistepScheduler", ""));
        Assert.Equal(SigmaSchedule.Lu, Read("DPMSolverMultistepScheduler", ", \"use_exponential_sigmas\": true"));
        Assert.Equal(SigmaSchedule.Karras, Read("DPMSolverMultistepScheduler", ", \"use_karras_sigmas\": true"));
        Assert.Equal(SigmaSchedule.FromTimesteps, Read("UniPCMultistepScheduler", ""));
        Assert.Equal(SigmaSchedule.Karras, Read("HeunDiscreteScheduler", ", \"use_karras_sigmas\": true"));
    }

    [Theory]
    [InlineData("FlaxPNDMScheduler", SamplerKind.Pndm)]
    [InlineData("FlaxDPMSolverMultistepScheduler", SamplerKind.DpmMultistep)]
    [InlineData("DDIMParallelScheduler", SamplerKind.Ddim)]
    [InlineData("DDPMParallelScheduler", SamplerKind.Ddpm)]
    public void ClassesOfTheSameAlgorithmAreUnderstood(string name, SamplerKind kind) =>
        Assert.Equal(kind, SchedulerConfig.Parse($$"""{ "_class_name": "{{name}}" }""", "a test").Sampler);

    // The reference's classes take these settings for some of the ways to spread noise levels only.
    [Fact]
    public void RangesHoldWhereTheReferenceHasThem()
    {
        double Top(SamplerKind kind, SigmaSchedule schedule) => Sampler.Create(Checkpoint(kind) with { SigmaSchedule = schedule, SigmaMax = 5, SigmaMin = 0.1 }, 5).Sigmas[0];
        Assert.Equal(5, Top(SamplerKind.Euler, SigmaSchedule.Karras));
        Assert.Equal(14.614641, Top(SamplerKind.Lms, SigmaSchedule.Karras), 1e-6);
        Assert.Equal(14.614641, Top(SamplerKind.DpmSde, SigmaSchedule.Karras), 1e-6);
        Assert.Equal(5, Top(SamplerKind.Lms, SigmaSchedule.Exponential));
        Assert.Equal(5, Top(SamplerKind.DpmMultistep, SigmaSchedule.Karras));
        Assert.Equal(14.614641, Top(SamplerKind.DpmMultistep, SigmaSchedule.Lu), 1e-6);
        double First(SamplerKind kind) => Sampler.Create(Checkpoint(kind) with { LambdaMinClipped = 0 }, 5).Timesteps[0];
        Assert.InRange(First(SamplerKind.DpmMultistep), 300, 400);
        Assert.InRange(First(SamplerKind.DpmSinglestep), 300, 400);
        Assert.Equal(999, First(SamplerKind.UniPc));
    }

    [Fact]
    public void AnyScheduleFallsWithinItsRange()
    {
        Gen<SamplerOptions> options =
            from kind in Gen.Elements(Kinds)
            from spacing in Gen.Elements(Enum.GetValues<TimestepSpacing>())
            from schedule in Gen.Elements(Enum.GetValues<SigmaSchedule>().Where(schedule => schedule != SigmaSchedule.Lu).ToArray())
            from end in Gen.Elements(FinalSigma.Zero, FinalSigma.SigmaMin)
            from offset in Gen.Choose(0, 1)
            select new SamplerOptions
            {
                Sampler = kind,
                TimestepSpacing = spacing,
                SigmaSchedule = schedule,
                FinalSigma = end,
                StepsOffset = offset,
                SkipPrkSteps = true,
                OriginalInferenceSteps = 500,
                BetaSchedule = BetaSchedule.ScaledLinear,
                BetaStart = 0.00085,
                BetaEnd = 0.012,
            };
        Prop.ForAll(options.ToArbitrary(), Gen.Choose(1, 400).ToArbitrary(), (drawn, steps) =>
        {
            Sampler sampler = Sampler.Create(drawn, steps);
            Assert.Equal(Calls(drawn.Sampler!.Value, steps), sampler.Timesteps.Count);
            Assert.Equal(sampler.Timesteps.Count + 1, sampler.Sigmas.Count);
            Assert.All(sampler.Timesteps, timestep => Assert.InRange(timestep, 0, 999));
            // Of DPM2's timesteps, only every other one is rounded.
            AssertFalls(sampler.Timesteps, within: drawn.Sampler is SamplerKind.Dpm2 or SamplerKind.Dpm2Ancestral ? 0.5 : 0);
            AssertFalls(sampler.Sigmas, within: 1e-9);
            Assert.InRange(sampler.Sigmas[^1], 0, 0.0292);
            Assert.InRange(sampler.InitialNoiseSigma, 0.02, 14.7);
            Assert.Equal(0, sampler.FirstCall(1));
        }).QuickCheckThrowOnFailure();
    }

    [Theory, MemberData(nameof(AllKinds))]
    public void ShortestAndLongestRunsAreFinite(SamplerKind kind)
    {
        using var scope = NewDisposeScope();
        Tensor start = randn([1, 4, 2, 2], generator: new Generator(1));
        foreach (int steps in new[] { 1, 2, 3, 999, 1000 })
        {
            var options = new SamplerOptions { Sampler = kind, TimestepSpacing = TimestepSpacing.Trailing, SkipPrkSteps = true, OriginalInferenceSteps = 1000 };
            Sampler sampler = Sampler.Create(options, steps);
            Tensor result = sampler.Sample((x, call) => tanh(x), start * sampler.InitialNoiseSigma, like => randn_like(like));
            Assert.True(result.isfinite().all().item<bool>(), $"{kind}, {steps} steps");
        }
    }

    [Fact]
    public void TrailingStepsAreAsManyAsAskedFor()
    {
        foreach (int steps in Enumerable.Range(1, 1000))
            foreach (SamplerKind kind in new[] { SamplerKind.Ddim, SamplerKind.Euler, SamplerKind.DpmMultistep })
                Assert.Equal(steps, Sampler.Create(new SamplerOptions { Sampler = kind, TimestepSpacing = TimestepSpacing.Trailing }, steps).Timesteps.Count);
    }

    // Stable Diffusion specification 5.3 and 5.9.
    [Theory]
    [InlineData(SamplerKind.Euler, "sgm-uniform", new[] { 999, 749.25, 499.5, 249.75 })]
    [InlineData(SamplerKind.Euler, "simple", new double[] { 999, 749, 499, 249 })]
    [InlineData(SamplerKind.Ddim, "trailing", new double[] { 999, 749, 499, 249 })]
    [InlineData(SamplerKind.Lcm, null, new double[] { 999, 759, 499, 259 })]
    [InlineData(SamplerKind.Tcd, null, new double[] { 999, 759, 499, 259 })]
    [InlineData(SamplerKind.Pndm, "leading", new double[] { 751, 501, 501, 251, 1 })]
    public void FourStepsHaveThePublishedTimesteps(SamplerKind kind, string? schedule, double[] timesteps)
    {
        SamplerOptions options = Checkpoint(kind) with { StepsOffset = 1 };
        Assert.Equal(timesteps, Sampler.Create(schedule is null ? options : options.Override(schedule: schedule), 4).Timesteps, (a, b) => Math.Abs(a - b) < 1e-9);
    }

    [Fact]
    public void AlignedStepsAreThoseOfTheirTables()
    {
        Sampler sampler = Sampler.Create(Checkpoint(SamplerKind.Euler).Override(schedule: "ays"), 10);
        Assert.Equal([14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0], sampler.Sigmas, (a, b) => Math.Abs(a - b) < 1e-12);
        sampler = Sampler.Create(Checkpoint(SamplerKind.DpmMultistep).Override(schedule: "ays-sdxl"), 20);
        Assert.Equal([14.615, Math.Sqrt(14.615 * 6.315), 6.315], sampler.Sigmas.Take(3), (a, b) => Math.Abs(a - b) < 1e-12);
    }

    [Fact]
    public void BaseAndRefinerShareTheCalls()
    {
        foreach (SamplerKind kind in Kinds)
        {
            foreach (double share in new[] { 0.1, 0.55, 0.8, 0.99 })
            {
                Sampler sampler = Sampler.Create(Checkpoint(kind), 25);
                int before = sampler.CallsBefore(share);
                Assert.All(sampler.Timesteps.Skip(before + 1), timestep => Assert.True(timestep < 1000 - share * 1000));
                Assert.All(sampler.Timesteps.Take(before), timestep => Assert.True(timestep >= 1000 - share * 1000));
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1.01)]
    [InlineData(double.NaN)]
    [InlineData(0.09)]
    public void StrengthsThatLeaveNothingToRunAreExplained(double strength) =>
        Assert.Throws<MuralException>(() => Sampler.Create(Checkpoint(SamplerKind.Euler), 10).FirstCall(strength));

    private static SamplerOptions Checkpoint(SamplerKind kind) => new()
    {
        Sampler = kind,
        BetaSchedule = BetaSchedule.ScaledLinear,
        BetaStart = 0.00085,
        BetaEnd = 0.012,
        SkipPrkSteps = true,
    };

    private static int Calls(SamplerKind kind, int steps) => kind switch
    {
        SamplerKind.Pndm => steps == 1 ? 1 : steps + 1,
        SamplerKind.Heun or SamplerKind.DpmSde or SamplerKind.Dpm2 or SamplerKind.Dpm2Ancestral => 2 * steps - 1,
        _ => steps,
    };

    private static void AssertFalls(IReadOnlyList<double> values, double within) =>
        Assert.All(values.Zip(values.Skip(1)), pair => Assert.True(pair.First >= pair.Second - within, $"{pair.First} then {pair.Second}"));
}
