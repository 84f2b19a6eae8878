using System.Text.Json.Nodes;
using Mural.Adapters;
using Mural.HiDiffusion;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Samplers;
using Mural.Tests.Goldens;
using Mural.Tests.HiDiffusion;
using Mural.Tests.Pipelines;
using Mural.Text;
using Mural.UNet;

namespace Mural.Tests.LinFusion;

/// <summary>Whole runs with linear attention against the official code: samplers, LoRA, ControlNet, IP-Adapter. A case is recognised by its prompts and recorded latents.</summary>
[Trait("Area", LinFusionGoldens.Area)]
public class LinFusionPipelineGoldenTests
{
    private const string Latent = "out.latent_after_step";

    public static TheoryData<string, KernelSet> Cases
    {
        get
        {
            var rows = new TheoryData<string, KernelSet>();
            foreach (string name in GoldenCase.Names(LinFusionGoldens.Area, golden => golden.Config["prompts"] is JsonArray && golden.Config["linfusion"] is not null && golden.Has("in.noise")).Select(row => row.Data))
                foreach (KernelSet kernels in Enum.GetValues<KernelSet>()) rows.Add(name, kernels);
            return rows;
        }
    }

    [GoldenTheory, MemberData(nameof(Cases))]
    public void PaintsWhatTheOfficialCodePaints(string name, KernelSet kernels)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using GoldenCase golden = GoldenCase.Open(LinFusionGoldens.Area, name);
        StableDiffusionOptions options = Options(golden, kernels);
        using StableDiffusionParts parts = StableDiffusionParts.Load(golden.ModelFolder, options, RuntimePlan.Choose(options.Runtime));
        using ControlNetModel? network = ControlNet(golden, kernels);
        using IpAdapter? adapter = golden.Config["ip_adapter"] is { } file ? IpAdapter.Load(LinFusionGoldens.At(file.GetValue<string>()), parts.UNet, parts.Runtime) : null;
        // The case paints one picture of each prompt in one batch; the library paints one prompt at a time.
        int prompts = golden.Config["prompts"]!.AsArray().Count;
        Tensor[][] states = [.. Enumerable.Range(0, prompts).Select(i => Paint(golden, parts, i, network, adapter, scope))];

        int steps = golden.Config["steps"]!.GetValue<int>();
        for (int step = 1; step <= steps; step++) golden.AssertMatches(Latent + step, cat([.. states.Select(of => of[step - 1])]));
        if (!golden.Has("out.image_u8")) return;
        Picture[] expected = PipelineGoldens.Pictures(golden.Get("out.image_u8"));
        for (int i = 0; i < prompts; i++)
            TinyStableDiffusion.AssertClose(expected[i].Data, PictureTensors.ToPictures(parts.Codec.Decode(states[i][^1]))[0].Data);
    }

    private static Tensor[] Paint(GoldenCase golden, StableDiffusionParts parts, int index, ControlNetModel? network, IpAdapter? adapter, DisposeScope outside)
    {
        var states = new List<Tensor>();
        StableDiffusionPlan plan = new StableDiffusionPlanner(parts).Plan(Request(golden, index, network, adapter));
        using TextTimeline texts = parts.Encode(plan);
        using var denoiser = new GuidedDenoiser(parts.UNet, plan, texts, batched: true);
        var painter = new StableDiffusionPainter(parts, plan, denoiser) { OnState = state => states.Add(state.clone().MoveToOtherDisposeScope(outside)) };
        painter.Paint(1, new OneDraw(golden.Get("in.noise").narrow(0, index, 1)), null, TestContext.Current.CancellationToken);
        return [.. states];
    }

    private static StableDiffusionRequest Request(GoldenCase golden, int index, ControlNetModel? network, IpAdapter? adapter) => new()
    {
        Prompt = golden.Config["prompts"]![index]!.GetValue<string>(),
        NegativePrompt = PipelineGoldens.Text(golden, "negative_prompt"),
        Width = golden.Config["width"]!.GetValue<int>(),
        Height = golden.Config["height"]!.GetValue<int>(),
        Steps = golden.Config["steps"]!.GetValue<int>(),
        Guidance = PipelineGoldens.Number(golden, "guidance_scale"),
        Sampling = SchedulerConfig.Read(golden.Config["scheduler"]!.AsObject(), golden.Name),
        Controls = network is null ? [] : [new ControlInput(network, new Picture(1, 1, 3))
        {
            Values = golden.Get("in.control_image_u8").narrow(0, index, 1).to(float32) / 256,
            Scale = PipelineGoldens.Number(golden, "controlnet_conditioning_scale")!.Value,
        }],
        PicturePrompts = adapter is null ? [] : [new PicturePrompt(adapter, new Picture(1, 1, 3))
        {
            Features = golden.Get("in.image_embeds").squeeze(1),
            Scale = PipelineGoldens.Number(golden, "ip_adapter_scale")!.Value,
        }],
    };

    private static StableDiffusionOptions Options(GoldenCase golden, KernelSet kernels) => new()
    {
        LinFusion = LinFusionGoldens.Folder(golden),
        Loras = golden.Config["lora"] is { } lora ? [new StableDiffusionLora(LinFusionGoldens.At(lora.GetValue<string>()), PipelineGoldens.Number(golden, "lora_scale")!.Value)] : [],
        Runtime = new RuntimeOptions { Device = "cpu", Precision = Precision.Float32, Kernels = kernels },
        Prompts = PromptSyntax.Plain,
    };

    // The case says more than the name.
    private static ControlNetModel? ControlNet(GoldenCase golden, KernelSet kernels)
    {
        if (PipelineGoldens.Text(golden, "controlnet") is not { } text) return null;
        ControlNetModel network = ControlNetModel.FromFolder(GoldenCase.Model(text.Split(' ')[0]));
        network.PrepareForInference(kernels, float32);
        return network;
    }

    private sealed class OneDraw(Tensor noise) : INoise
    {
        public IWindowShifts Shifts { get; } = new HiDiffusionGoldens.Recorded([]);

        public Tensor Draw(long[] shape)
        {
            Assert.Equal(noise.shape, shape);
            return noise.clone();
        }
    }
}
