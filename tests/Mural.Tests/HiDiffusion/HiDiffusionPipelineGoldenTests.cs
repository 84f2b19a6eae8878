using System.Text.Json.Nodes;
using Mural.HiDiffusion;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Samplers;
using Mural.Tests.Goldens;
using Mural.Tests.Pipelines;
using Mural.Tests.UNet;
using Mural.UNet;

namespace Mural.Tests.HiDiffusion;

/// <summary>Whole runs against the official code, call by call, with the shifts that it drew. A case is recognised by its kind.</summary>
[Trait("Area", HiDiffusionGoldens.Area)]
public class HiDiffusionPipelineGoldenTests
{
    // Of the pipeline that the official code puts in place of diffusers', in both of its tasks.
    private const double OfficialControlScale = 0.8;

    public static TheoryData<string, KernelSet?, ScalarType> Cases =>
        HiDiffusionGoldens.Cases("pipeline", most: 22.2, Enum.GetValues<KernelSet>().Select(kernels => ((KernelSet?)kernels, ScalarType.Float32)));

    [GoldenTheory, MemberData(nameof(Cases))]
    public void PaintsWhatTheOfficialCodePaints(string name, KernelSet? chosen, ScalarType type)
    {
        KernelSet kernels = chosen!.Value;
        using GoldenCase golden = GoldenCase.OpenWithoutGradients(HiDiffusionGoldens.Area, name);
        var runtime = new RuntimeOptions { Device = "cpu", Precision = type == float32 ? Precision.Float32 : null, Kernels = kernels };
        using var model = new PipelineModel(golden);
        using StableDiffusionParts parts = StableDiffusionParts.Load(model.Folder, new StableDiffusionOptions { Runtime = runtime }, RuntimePlan.Choose(runtime));
        using ControlNetModel? control = golden.Config["controlnet"] is null ? null : ControlNetGoldens.Load(golden, 0, kernels);
        StableDiffusionPlan plan = PipelineRequests.Shortened(golden, new StableDiffusionPlanner(parts).Plan(Request(golden, parts, control)));
        plan = plan with { Architecture = HiDiffusionGoldens.Architecture(parts.UNet.Config, golden.Config) };
        JsonArray calls = golden.Json["observed"]!["calls"]!.AsArray();
        Assert.Equal(calls.Count, plan.Calls);
        Assert.Equal(
            calls.Select(call => (HiDiffusionGoldens.Flag(call, "R"), HiDiffusionGoldens.Flag(call, "P"))),
            Enumerable.Range(0, plan.Calls).Select(call => (plan.HiDiffusion!.Strided.Holds(call), plan.HiDiffusion.Pooled.Holds(call))));
        if (golden.Json["observed"]!["controlnet_latent_size"] is { } controlled)
        {
            (int height, int width) = HiDiffusionGoldens.Size(controlled);
            Assert.Equal((height, width), plan.HiDiffusion!.ControlSize);
            Assert.Equal(
                golden.Json["observed"]!["controlnet_calls"]!.GetValue<int>(),
                Enumerable.Range(0, plan.Calls).Count(call => plan.HiDiffusion.Controls(call, plan.RunSteps)));
        }

        int batch = golden.Config["batch"]!.GetValue<int>();
        Tensor[][] states = [.. Enumerable.Range(0, batch).Select(i => Paint(golden, parts, plan, i))];
        for (int call = 0; call < plan.Calls; call++)
        {
            Tensor state = cat([.. states.Select(of => of[call])]);
            if (golden.Has($"out.latents_{call}")) HiDiffusionGoldens.AssertView(golden, $"out.latents_{call}", state, golden.Config["view"]);
            using Tensor statistics = golden.Get("mid.stats_per_step", float64);
            HiDiffusionGoldens.AssertStatistics(golden, statistics[call], state);
        }
        HiDiffusionGoldens.AssertStatistics(golden, "out.final.stats", cat([.. states.Select(of => of[^1])]));
    }

    // One picture of the case, whose state after every call is returned.
    private static Tensor[] Paint(GoldenCase golden, StableDiffusionParts parts, StableDiffusionPlan plan, int index)
    {
        var states = new List<Tensor>();
        Tensor Row(Tensor tensor) => tensor.narrow(0, index, 1);
        Tensor Map(Tensor plane) => plane.reshape(1, 1, plane.shape[^2], plane.shape[^1]);
        var noise = new Queue<Tensor>(golden.Has("in.noise") ? golden.Get("in.noise", float32).unbind().Select(Row) : []);
        Tensor? clean = golden.Has("in.image_latents") ? Row(golden.Get("in.image_latents", float32)) : null, mask = golden.Has("in.mask") ? golden.Get("in.mask", float32) : null;
        Tensor drawn = clean is null && (golden.Has("in.sample") || golden.Has("in.sample_coarse")) ? Row(HiDiffusionGoldens.Sample(golden)) : noise.Dequeue();
        // At full strength, inpainting starts from noise alone, where picture to picture does not.
        Tensor start = clean is null || (mask is not null && plan.Strength == 1) ? drawn * plan.Sampler.InitialNoiseSigma : plan.Sampler.AddNoise(clean, drawn, plan.FirstCall);
        // What networks made for inpainting see beside the latents; the others have the kept part put back.
        Tensor? channels = !parts.Info.Inpaints ? null : cat([Map(mask!), Row(golden.Get("in.masked_image_latents", float32))], 1);
        Tensor After(Tensor state, int next)
        {
            if (mask is not null && channels is null)
            {
                Tensor kept = next < plan.Sampler.Timesteps.Count ? plan.Sampler.AddNoise(clean!, drawn, next) : clean!;
                state = kept * (1 - mask) + state * mask;
            }
            states.Add(state.clone().DetachFromDisposeScope());
            return state;
        }
        using TextTimeline texts = Texts(golden, index);
        using var denoiser = new GuidedDenoiser(parts.UNet, plan, texts, batched: true);
        var shifts = new RecordedCalls(golden.Has("in.shift_k") ? [.. golden.Get("in.shift_k").unbind().Select(HiDiffusionGoldens.Integers)] : []);
        plan.Sampler.Sample(denoiser.For(channels, shifts), start, _ => noise.Dequeue().clone(), plan.FirstCall..plan.EndCall, After);
        Assert.Empty(noise);
        return [.. states];
    }

    private static TextTimeline Texts(GoldenCase golden, int index)
    {
        Tensor? Row(string name) => golden.Has(name) ? golden.Get(name, float32).narrow(0, index, 1) : null;
        Tensor? sizes = golden.Config["time_ids"] is JsonArray numbers ? tensor([.. numbers.Select(number => number!.GetValue<float>())], [1, numbers.Count]) : null;
        var followed = new GuidingText(Row("in.prompt_embeds")!, Row("in.pooled"), sizes, 1, IsNegative: false);
        GuidingText? led = Row("in.negative_prompt_embeds") is { } negative ? new GuidingText(negative, Row("in.negative_pooled"), sizes, 1, IsNegative: true) : null;
        return new TextTimeline([(int.MaxValue, new GuidingTexts(led, [followed]))], []);
    }

    private static StableDiffusionRequest Request(GoldenCase golden, StableDiffusionParts parts, ControlNetModel? control)
    {
        (int height, int width) = HiDiffusionGoldens.Size(golden.Config["latent_size"]);
        (height, width) = (height * parts.Info.Multiple, width * parts.Info.Multiple);
        JsonObject scheduler = golden.Config["scheduler_config"]!.DeepClone().AsObject();
        scheduler["_class_name"] = golden.Config["scheduler"]!.DeepClone();
        bool masked = golden.Has("in.mask"), given = masked || golden.Has("in.image_latents");
        return new StableDiffusionRequest
        {
            Width = width,
            Height = height,
            Steps = golden.Config["steps"]!.GetValue<int>(),
            Guidance = golden.Config["guidance_scale"]!.GetValue<double>(),
            GuidanceRescale = HiDiffusionGoldens.Number(golden.Config, "guidance_rescale") ?? 0,
            Eta = HiDiffusionGoldens.Number(golden.Config, "eta") ?? 0,
            Sampling = SchedulerConfig.Read(scheduler, golden.Name),
            // Only that there are pictures counts: the case has their latents.
            InitialPicture = given ? new Picture(width, height, 3) : null,
            Mask = masked ? new Picture(width, height, 1) : null,
            Strength = given ? PipelineRequests.Strength(golden) : null,
            HiDiffusion = HiDiffusionGoldens.Options(golden.Config),
            Controls = control is null ? [] : [new ControlInput(control, new Picture(1, 1, 3))
            {
                Values = golden.Get("in.control_image").to(float32).div(255).permute(2, 0, 1).unsqueeze(0),
                Scale = HiDiffusionGoldens.Number(golden.Config, "controlnet_conditioning_scale") ?? OfficialControlScale,
                Start = golden.Config["control_guidance"]?[0]!.GetValue<double>() ?? 0,
                End = golden.Config["control_guidance"]?[1]!.GetValue<double>() ?? 1,
            }],
        };
    }

    private sealed class RecordedCalls(int[][] shifts) : IWindowShifts
    {
        private int _call = -1;

        public IReadOnlyList<int> Next(int block)
        {
            if (block == 0) _call++;
            return [shifts[_call][block]];
        }
    }
}
