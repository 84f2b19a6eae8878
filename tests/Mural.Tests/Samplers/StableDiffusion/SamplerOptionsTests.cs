using System.Text.Json.Nodes;
using Mural.Samplers;

namespace Mural.Tests.Samplers.StableDiffusion;

public class SamplerOptionsTests
{
    private const string Betas = "\"beta_start\": 0.00085, \"beta_end\": 0.012, \"beta_schedule\": \"scaled_linear\", \"trained_betas\": null";
    private const string Version1 = "{\"_class_name\": \"PNDMScheduler\", " + Betas
        + ", \"set_alpha_to_one\": false, \"skip_prk_steps\": true, \"steps_offset\": 1, \"clip_sample\": false}";
    private const string Xl = "{\"_class_name\": \"EulerDiscreteScheduler\", " + Betas
        + ", \"timestep_spacing\": \"leading\", \"steps_offset\": 1, \"use_karras_sigmas\": false, \"skip_prk_steps\": true}";
    private const string Turbo = "{\"_class_name\": \"EulerAncestralDiscreteScheduler\", " + Betas + ", \"timestep_spacing\": \"trailing\", \"steps_offset\": 1}";

    private static SamplerOptions Read(string json) => SchedulerConfig.Read(JsonNode.Parse(json)!.AsObject(), "the configuration");

    [Fact]
    public void CheckpointsOwnSettingsHold()
    {
        Assert.Equal([981, 961, 961, 941], Sampler.Create(Read(Version1), 50).Timesteps.Take(4));
        Assert.Equal(8.450065, Sampler.Create(Read(Xl), 10).InitialNoiseSigma, 1e-6);
        Assert.Equal([14.614641, 0], Sampler.Create(Read(Turbo), 1).Sigmas, (a, b) => Math.Abs(a - b) < 1e-6);
    }

    // Stable Diffusion specification 1.2: what a configuration states carries over to another sampler, another sampler's defaults do not.
    [Fact]
    public void OnlyWhatWasSaidCarriesOver()
    {
        Assert.Equal([999, 899, 799], Sampler.Create(Read(Version1).Override("dpmpp-2m"), 10).Timesteps.Take(3));
        Assert.Equal([901, 811, 721], Sampler.Create(Read(Xl).Override("dpmpp-2m"), 10).Timesteps.Take(3));
        Assert.Equal([999, 888, 777], Sampler.Create(Read(Version1).Override("euler"), 10).Timesteps.Take(3));
        Assert.Equal([901, 801, 701], Sampler.Create(Read(Version1).Override("ddim"), 10).Timesteps.Take(3));
        Assert.Equal(0.0291671, Sampler.Create(Read(Version1).Override("ddim"), 10).Sigmas[^1], 1e-6);
        Assert.Equal(0, Sampler.Create(Read(Xl).Override("ddim"), 10).Sigmas[^1]);
        SamplerOptions karras = Read(Xl.Replace("\"use_karras_sigmas\": false", "\"use_karras_sigmas\": true", StringComparison.Ordinal));
        Assert.Equal(SigmaSchedule.Karras, karras.Override("heun").SigmaSchedule);
        Assert.Equal(SigmaSchedule.FromTimesteps, karras.Override("euler-a").SigmaSchedule);
        Assert.Equal(SigmaSchedule.Karras, karras.Override("euler-a", "karras").SigmaSchedule);
        Assert.Equal(SolverType.Midpoint, Read("{\"_class_name\": \"UniPCMultistepScheduler\", \"solver_type\": \"bh1\", \"solver_order\": 3}").Override("dpmpp-2m").SolverType);
    }

    [Theory]
    [InlineData("ddim", SamplerKind.Ddim, SigmaSchedule.FromTimesteps)]
    [InlineData("PLMS", SamplerKind.Pndm, SigmaSchedule.FromTimesteps)]
    [InlineData("Euler a", SamplerKind.EulerAncestral, SigmaSchedule.FromTimesteps)]
    [InlineData("euler_ancestral", SamplerKind.EulerAncestral, SigmaSchedule.FromTimesteps)]
    [InlineData("LMS Karras", SamplerKind.Lms, SigmaSchedule.Karras)]
    [InlineData("DPM2 a Karras", SamplerKind.Dpm2Ancestral, SigmaSchedule.Karras)]
    [InlineData("DPM++ 2M", SamplerKind.DpmMultistep, SigmaSchedule.FromTimesteps)]
    [InlineData("DPM++ 2M Karras", SamplerKind.DpmMultistep, SigmaSchedule.Karras)]
    [InlineData("dpm++2m", SamplerKind.DpmMultistep, SigmaSchedule.FromTimesteps)]
    [InlineData("DPM++ 2M SDE Exponential", SamplerKind.DpmMultistep, SigmaSchedule.Exponential)]
    [InlineData("DPM++ SDE Karras", SamplerKind.DpmSde, SigmaSchedule.Karras)]
    [InlineData("UniPC", SamplerKind.UniPc, SigmaSchedule.FromTimesteps)]
    [InlineData("LCM", SamplerKind.Lcm, SigmaSchedule.FromTimesteps)]
    [InlineData("k_euler_a", SamplerKind.EulerAncestral, SigmaSchedule.FromTimesteps)]
    [InlineData("k_dpmpp_2m", SamplerKind.DpmMultistep, SigmaSchedule.FromTimesteps)]
    [InlineData("euler_a discrete", SamplerKind.EulerAncestral, SigmaSchedule.FromTimesteps)]
    [InlineData("dpm++2m karras", SamplerKind.DpmMultistep, SigmaSchedule.Karras)]
    public void NamesOfOtherProgramsAreUnderstood(string name, SamplerKind kind, SigmaSchedule schedule)
    {
        SamplerOptions options = Read(Version1).Override(name);
        Assert.Equal((kind, schedule), (options.Sampler, options.SigmaSchedule));
    }

    [Fact]
    public void NamesSurviveTheWayThroughOptions()
    {
        foreach (string name in SamplerNames.List.Split(", "))
        {
            SamplerOptions options = Read(Xl).Override(name);
            Assert.Equal(name, SamplerNames.Of(options));
            Assert.Equal(options, Read(Xl).Override(SamplerNames.WebUiName(options)!));
        }
        Assert.Equal("Karras", ScheduleNames.WebUiName(Read(Xl).Override("DPM++ 2M Karras"), xl: true));
    }

    [Fact]
    public void SchedulesOfOtherProgramsAreUnderstood()
    {
        Assert.Equal(TimestepSpacing.Linspace, Read(Xl).Override("dpmpp-2m", "Uniform").TimestepSpacing);
        Assert.Equal(Read(Xl).Override("DPM++ 2M Karras"), Read(Xl).Override("DPM++ 2M Karras", "Automatic"));
        Assert.Equal("Uniform", ScheduleNames.WebUiName(Read(Version1).Override("dpmpp-2m"), xl: false));
        Assert.Equal("leading", ScheduleNames.WebUiName(Read(Xl).Override("dpmpp-2m"), xl: true));
        Assert.Equal("trailing", ScheduleNames.WebUiName(Read(Turbo), xl: true));
        Assert.Null(ScheduleNames.WebUiName(Read(Version1), xl: false));
        Assert.Null(ScheduleNames.WebUiName(Read(Xl) with { CustomSigmas = [5, 0] }, xl: true));
    }

    [Theory]
    [InlineData("ays", false, "Align Your Steps")]
    [InlineData("ays", true, "ays")]
    [InlineData("ays-sdxl", true, "Align Your Steps")]
    [InlineData("ays-sdxl", false, "ays-sdxl")]
    public void AlignedStepsAreThoseOfTheModelsFamily(string name, bool xl, string written)
    {
        SamplerOptions options = Read(Xl).Override("euler", name);
        Assert.Equal(written, ScheduleNames.WebUiName(options, xl));
        Assert.Equal(options, Read(Xl).Override("euler", ScheduleNames.OfFamily(written, xl)));
    }

    [Fact]
    public void StochasticNamesAddNoise()
    {
        Assert.Equal(SolverAlgorithm.SdeDpmSolverPlusPlus, Read(Version1).Override("DPM++ 2M SDE").SolverAlgorithm);
        Assert.Equal(SolverType.Heun, Read(Version1).Override("DPM++ 2M SDE Heun Karras").SolverType);
        Assert.Equal(SolverAlgorithm.DpmSolverPlusPlus, Read(Version1).Override("dpmpp-2m-sde").Override("dpmpp-2m").SolverAlgorithm);
    }

    [Theory]
    [InlineData("no such sampler", null)]
    [InlineData("", null)]
    [InlineData("ddim karras", null)]
    [InlineData(null, "no such schedule")]
    [InlineData("ddim", "karras")]
    [InlineData("lcm", "trailing")]
    [InlineData("unipc", "lu")]
    [InlineData("dpmpp-2s", "leading")]
    public void ImpossibleNamesAreExplained(string? sampler, string? schedule)
    {
        MuralException thrown = Assert.Throws<MuralException>(() => Read(Version1).Override(sampler, schedule));
        Assert.Contains("choose", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void OtherSchedulersAreNamedWhenTheyAreNeeded()
    {
        SamplerOptions options = Read("{\"_class_name\": \"SASolverScheduler\", " + Betas + "}");
        Assert.Contains("SASolverScheduler", Assert.Throws<MuralException>(() => Sampler.Create(options, 10)).Message, StringComparison.Ordinal);
        Assert.Equal(10, Sampler.Create(options.Override("unipc"), 10).Timesteps.Count);
    }

    [Theory]
    [InlineData("{\"beta_start\": \"small\"}")]
    [InlineData("{\"num_train_timesteps\": 1.5}")]
    [InlineData("{\"timestep_spacing\": \"sideways\"}")]
    [InlineData("{\"trained_betas\": [\"a\"]}")]
    [InlineData("{\"use_flow_sigmas\": true}")]
    [InlineData("{\"timestep_type\": \"lunar\"}")]
    [InlineData("{\"_class_name\": \"EDMDPMSolverMultistepScheduler\"}")]
    [InlineData("{\"_class_name\": \"EulerDiscreteScheduler\", \"sigma_data\": 0.5}")]
    [InlineData("{\"variance_type\": \"learned_range\"}")]
    [InlineData("{\"use_karras_sigmas\": true, \"use_beta_sigmas\": true}")]
    public void WrongConfigurationsAreExplained(string json) =>
        Assert.StartsWith("the configuration", Assert.Throws<MuralException>(() => Read(json)).Message, StringComparison.Ordinal);

    [Fact]
    public void FilesAreReadAsTheReferenceWritesThem()
    {
        string folder = Directory.CreateTempSubdirectory().FullName, file = Path.Combine(folder, "scheduler_config.json");
        try
        {
            Assert.Throws<MuralException>(() => SamplerOptions.Load(folder));
            File.WriteAllText(file, "{\"_class_name\": \"DPMSolverMultistepScheduler\", \"lambda_min_clipped\": -Infinity, \"unheard_of\": {}}");
            Assert.Equal((SamplerKind.DpmMultistep, double.NegativeInfinity), (SamplerOptions.Load(folder).Sampler, SamplerOptions.Load(file).LambdaMinClipped));
            foreach (string wrong in new[] { "", "[]", "{" })
            {
                File.WriteAllText(file, wrong);
                Assert.Throws<MuralException>(() => SamplerOptions.Load(folder));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void AThresholdBelowOneIsEveryPicturesLimit()
    {
        using var scope = NewDisposeScope();
        var options = new SamplerOptions { Thresholding = true, SampleMaxValue = 0.5 };
        Sampler.Create(options, 5);
        Tensor limited = DataLimit.Threshold(tensor(new[] { -3f, -0.5f, 0.25f, 4f }).reshape(1, 1, 2, 2), options);
        Assert.Equal([-1f, -1f, 0.5f, 1f], limited.data<float>().ToArray());
    }

    public static TheoryData<SamplerOptions, int> Contradictions => new()
    {
        { new() { Sampler = null }, 5 },
        { new(), 0 },
        { new(), -3 },
        { new(), 1001 },
        { new() { TrainTimesteps = 1 }, 1 },
        { new() { BetaStart = 0.5, BetaEnd = 0.1 }, 5 },
        { new() { BetaEnd = double.NaN }, 5 },
        { new() { TrainedBetas = [0.1, 0.2] }, 5 },
        { new() { Eta = 1.5, Sampler = SamplerKind.Ddim }, 5 },
        { new() { Eta = double.NaN, Sampler = SamplerKind.Tcd }, 5 },
        { new() { ClipSampleRange = 0 }, 5 },
        { new() { DynamicThresholdingRatio = 2 }, 5 },
        { new() { SampleMaxValue = 0 }, 5 },
        { new() { SampleMaxValue = double.NaN }, 5 },
        { new() { SigmaMin = 3, SigmaMax = 2 }, 5 },
        { new() { Churn = new EulerChurn(-1) }, 5 },
        { new() { SigmaSchedule = SigmaSchedule.Lu }, 5 },
        { new() { CustomTimesteps = [900, 500] }, 5 },
        { new() { CustomTimesteps = [500, 900] }, 2 },
        { new() { CustomTimesteps = [900.5, 500], Sampler = SamplerKind.Ddpm }, 2 },
        { new() { CustomTimesteps = [900, 500], Sampler = SamplerKind.Ddim }, 2 },
        { new() { CustomTimesteps = [900, 500], SigmaSchedule = SigmaSchedule.Karras }, 2 },
        { new() { CustomSigmas = [10, 5] }, 2 },
        { new() { CustomSigmas = [10, 5, 6] }, 2 },
        { new() { CustomSigmas = [10, 5, 0], Sampler = SamplerKind.DpmMultistep }, 2 },
        { new() { Sampler = SamplerKind.Lms, LmsOrder = 5 }, 5 },
        { new() { Sampler = SamplerKind.DpmMultistep, SolverOrder = 4 }, 5 },
        { new() { Sampler = SamplerKind.DpmMultistep, SolverAlgorithm = SolverAlgorithm.DpmSolver }, 5 },
        { new() { Sampler = SamplerKind.DpmMultistep, SolverAlgorithm = SolverAlgorithm.SdeDpmSolver, SolverOrder = 3, FinalSigma = FinalSigma.SigmaMin }, 5 },
        { new() { Sampler = SamplerKind.DpmMultistep, TimestepSpacing = TimestepSpacing.Leading }, 1000 },
        { new() { Sampler = SamplerKind.DpmMultistep, LambdaMinClipped = 100 }, 5 },
        { new() { Sampler = SamplerKind.DpmSinglestep, SolverAlgorithm = SolverAlgorithm.SdeDpmSolver, FinalSigma = FinalSigma.SigmaMin }, 5 },
        { new() { Sampler = SamplerKind.UniPc, SolverOrder = 0 }, 5 },
        { new() { Sampler = SamplerKind.Pndm }, 3 },
        { new() { Sampler = SamplerKind.Pndm, SkipPrkSteps = true, PredictionType = PredictionType.Sample }, 5 },
        { new() { Sampler = SamplerKind.Lcm }, 51 },
        { new() { Sampler = SamplerKind.Lcm, OriginalInferenceSteps = 0 }, 1 },
        { new() { Sampler = SamplerKind.Tcd, OriginalStepsShare = 0 }, 1 },
        { new() { Sampler = SamplerKind.Lcm, OriginalStepsShare = 0.4, CustomTimesteps = [999, 499] }, 2 },
        { new() { Sampler = SamplerKind.Ddim, StepsOffset = 1 }, 1000 },
    };

    [Theory, MemberData(nameof(Contradictions))]
    public void ContradictionsAreExplained(SamplerOptions options, int steps)
    {
        string message = Assert.Throws<MuralException>(() => Sampler.Create(options, steps)).Message;
        Assert.EndsWith(".", message, StringComparison.Ordinal);
        Assert.DoesNotContain(". ", message, StringComparison.Ordinal);
    }
}
