using System.Text.Json.Nodes;
using Mural.Adapters;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.Tests.Pipelines;
using Mural.Text;
using Mural.UNet;

namespace Mural.Tests.LinFusion;

/// <summary>Whole runs with linear attention against the official code: samplers, LoRA, ControlNet, IP-Adapter. A case is recognised by its prompts and recorded latents.</summary>
[Trait("Area", LinFusionGoldens.Area)]
public class LinFusionPipelineGoldenTests
{
    private const string Latent = "out.latent_after_step", ControlPicture = "in.control_image";

    public static TheoryData<string, KernelSet> Cases
    {
        get
        {
            var rows = new TheoryData<string, KernelSet>();
            foreach (string name in GoldenCase.Names(LinFusionGoldens.Area, golden => golden.Config["prompts"] is JsonArray
                    && golden.Config["linfusion"] is not null && golden.Has("in.noise")).Select(row => row.Data))
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
        using var model = new PipelineModel(golden);
        using StableDiffusionParts parts = StableDiffusionParts.Load(model.Folder, options, RuntimePlan.Choose(options.Runtime));
        ControlNetModel[] networks = PipelineGoldens.Networks(golden, ControlPicture, kernels);
        using IpAdapter? adapter = golden.Config["ip_adapter"] is { } file ? IpAdapter.Load(LinFusionGoldens.At(file.GetValue<string>()), parts.UNet, parts.Runtime) : null;
        // The case paints one picture of each prompt in one batch; the library paints one prompt at a time.
        int prompts = golden.Config["prompts"]!.AsArray().Count;
        Tensor[][] states = [.. Enumerable.Range(0, prompts).Select(i => Paint(golden, parts, i, networks, adapter, scope))];

        int calls = states[0].Length;
        for (int call = 1; call <= calls; call++) golden.AssertMatches(Latent + call, cat([.. states.Select(of => of[call - 1])]));
        Assert.False(golden.Has(Latent + (calls + 1)));
        foreach (ControlNetModel network in networks) network.Dispose();
        if (!golden.Has("out.image_u8")) return;
        Picture[] expected = PipelineGoldens.Pictures(golden.Get("out.image_u8"));
        for (int i = 0; i < prompts; i++)
            TinyStableDiffusion.AssertClose(expected[i].Data, PictureTensors.ToPictures(parts.Codec.Decode(states[i][^1]))[0].Data);
    }

    private static Tensor[] Paint(GoldenCase golden, StableDiffusionParts parts, int index, ControlNetModel[] networks, IpAdapter? adapter, DisposeScope outside)
    {
        var states = new List<Tensor>();
        StableDiffusionPlan plan = new StableDiffusionPlanner(parts).Plan(Request(golden, parts, index, networks, adapter));
        using TextTimeline texts = parts.Encode(plan);
        using var denoiser = new GuidedDenoiser(parts.UNet, plan, texts, batched: true);
        var painter = new StableDiffusionPainter(parts, plan, denoiser) { OnState = state => states.Add(state.clone().MoveToOtherDisposeScope(outside)) };
        var noise = new RecordedNoise(golden, index);
        painter.Paint(1, noise, null, TestContext.Current.CancellationToken);
        Assert.True(noise.IsUsedUp);
        return [.. states];
    }

    private static StableDiffusionRequest Request(GoldenCase golden, StableDiffusionParts parts, int index, ControlNetModel[] networks, IpAdapter? adapter) =>
        PipelineRequests.Settings(golden, parts, index) with
        {
            Prompt = PipelineGoldens.Text(golden, "prompts", index)!,
            Controls = [.. PipelineGoldens.Numbered(golden, ControlPicture).Zip(networks, (picture, network) => (picture, network))
                .Select((pair, i) => PipelineRequests.Control(golden, new ControlInput(pair.network, new Picture(1, 1, 3)), i) with
                {
                    Values = golden.Get(pair.picture).narrow(0, index % golden.Tensors[pair.picture].Shape[0], 1).to(float32) / 256,
                })],
            PicturePrompts = adapter is null ? [] : [new PicturePrompt(adapter, new Picture(1, 1, 3))
            {
                Features = golden.Get("in.image_embeds").squeeze(1),
                Scale = PipelineGoldens.Number(golden, "ip_adapter_scale") ?? 1,
            }],
        };

    private static StableDiffusionOptions Options(GoldenCase golden, KernelSet kernels) => new()
    {
        LinFusion = LinFusionGoldens.Folder(golden),
        Loras = golden.Config["lora"] is { } lora ? [new StableDiffusionLora(LinFusionGoldens.At(lora.GetValue<string>()), PipelineGoldens.Number(golden, "lora_scale") ?? 1)] : [],
        Runtime = new RuntimeOptions { Device = "cpu", Precision = Precision.Float32, Kernels = kernels },
        Prompts = PromptSyntax.Plain,
    };
}
