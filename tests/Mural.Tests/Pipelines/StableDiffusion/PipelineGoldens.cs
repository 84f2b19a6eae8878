using System.Text.Json.Nodes;
using Mural.Adapters;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Samplers;
using Mural.Tests.Goldens;
using Mural.Text;
using Mural.UNet;

namespace Mural.Tests.Pipelines;

/// <summary>What the cases of the area hold: a run of a pipeline of diffusers, from prompt to picture.</summary>
internal static class PipelineGoldens
{
    internal const string Area = "pipelines";

    /// <summary>Every case whose settings are all known, on each set of kernels.</summary>
    internal static TheoryData<string, KernelSet> Cases
    {
        get
        {
            var rows = new TheoryData<string, KernelSet>();
            foreach (string name in GoldenCase.Names(Area, golden => golden.Config["pipeline"] is not null && golden.Has("out.latents")).Select(row => row.Data))
                foreach (KernelSet kernels in Enum.GetValues<KernelSet>()) rows.Add(name, kernels);
            return rows;
        }
    }

    internal static StableDiffusionRequest Request(GoldenCase golden, IReadOnlyList<ControlNetModel> networks, IpAdapter? adapter) => new()
    {
        Prompt = Text(golden, "prompt") ?? "",
        SecondPrompt = Text(golden, "prompt_2"),
        NegativePrompt = Text(golden, "negative_prompt"),
        SecondNegativePrompt = Text(golden, "negative_prompt_2"),
        Width = (int?)Number(golden, "width"),
        Height = (int?)Number(golden, "height"),
        Steps = (int?)Number(golden, "steps"),
        Guidance = Number(golden, "guidance_scale"),
        GuidanceRescale = Number(golden, "guidance_rescale") ?? 0,
        Eta = Number(golden, "eta") ?? 0,
        Count = (int?)Number(golden, "images_per_prompt") ?? 1,
        Sampling = Sampling(golden),
        InitialPicture = OnePicture(golden, "in.image_u8"),
        Mask = OnePicture(golden, "in.mask_u8"),
        Strength = Number(golden, "strength"),
        Controls = [.. Hints(golden).Zip(networks, (hint, network) => (hint, network)).Select((pair, i) => new ControlInput(pair.network, OnePicture(golden, pair.hint)!)
        {
            Scale = Nth(golden, "controlnet_conditioning_scale", i) ?? 1,
            Start = Nth(golden, "control_guidance_start", i) ?? 0,
            End = Nth(golden, "control_guidance_end", i) ?? 1,
            GuessMode = golden.Config["guess_mode"]?.GetValue<bool>() == true,
        })],
        PicturePrompts = adapter is null ? [] : [new PicturePrompt(adapter, new Picture(1, 1, 3))
        {
            Features = cat([zeros_like(golden.Get("in.image_embeds")), golden.Get("in.image_embeds")]),
            Scale = golden.Config["ip_adapter"]!["scale"]!.GetValue<double>(),
        }],
        ClipSkip = (int?)Number(golden, "clip_skip") ?? 0,
        NegativeClipSkip = 0,
        Sizes = new SizeConditioning { Original = Pair(golden, "original_size"), Crop = Pair(golden, "crops_coords_top_left") ?? (0, 0), Target = Pair(golden, "target_size") },
        // diffusers looks at them only where both sizes are given.
        NegativeSizes = Pair(golden, "negative_original_size") is { } original && Pair(golden, "negative_target_size") is { } target
            ? new SizeConditioning { Original = original, Crop = Pair(golden, "negative_crops_coords_top_left") ?? (0, 0), Target = target }
            : null,
    };

    internal static StableDiffusionOptions Options(GoldenCase golden, KernelSet kernels) => new()
    {
        Loras = [.. (golden.Config["lora"] as JsonArray ?? []).Select(lora =>
            new StableDiffusionLora(GoldenCase.At(Area, lora!["file"]!.GetValue<string>()), lora["scale"]!.GetValue<double>()))],
        Runtime = new RuntimeOptions { Device = "cpu", Precision = Precision.Float32, Kernels = kernels },
        Prompts = PromptSyntax.Plain,
    };

    /// <summary>The IP-Adapter that the case names, or null.</summary>
    internal static IpAdapter? Adapter(GoldenCase golden, StableDiffusionParts parts) => golden.Config["ip_adapter"]?["file"] is { } file
        ? IpAdapter.Load(GoldenCase.At(Area, file.GetValue<string>()), parts.UNet, parts.Runtime)
        : null;

    /// <summary>The ControlNets that the case names, one for each control picture.</summary>
    internal static ControlNetModel[] Networks(GoldenCase golden, KernelSet kernels)
    {
        if (golden.Config["controlnet"] is not { } named) return [];
        return [.. Hints(golden).Select((_, i) =>
        {
            var network = ControlNetModel.FromFolder(GoldenCase.Model((named is JsonArray names ? names[i]! : named).GetValue<string>()));
            network.PrepareForInference(kernels, float32);
            return network;
        })];
    }

    /// <summary>The pictures of a tensor of bytes. Shape: <c>[B, C, H, W]</c>.</summary>
    internal static Picture[] Pictures(Tensor bytes)
    {
        var pictures = new List<Picture>();
        for (long i = 0; i < bytes.shape[0]; i++)
        {
            using Tensor pixels = bytes[i].permute(1, 2, 0).contiguous();
            pictures.Add(new Picture((int)bytes.shape[3], (int)bytes.shape[2], (int)bytes.shape[1], pixels.data<byte>().ToArray()));
        }
        return [.. pictures];
    }

    private static SamplerOptions? Sampling(GoldenCase golden)
    {
        if (golden.Config["scheduler"]?.DeepClone() is not JsonObject config) return null;
        config["_class_name"] = config["class"]!.DeepClone();
        return SchedulerConfig.Read(config, golden.Name);
    }

    private static IEnumerable<string> Hints(GoldenCase golden) =>
        golden.Tensors.Keys.Where(key => key.StartsWith("in.hint", StringComparison.Ordinal)).OrderBy(key => key.Replace("_u8", "", StringComparison.Ordinal), StringComparer.Ordinal);

    private static Picture? OnePicture(GoldenCase golden, string name) => golden.Has(name) ? Pictures(golden.Get(name))[0] : null;

    private static double? Nth(GoldenCase golden, string key, int index) =>
        (golden.Config[key] is JsonArray values ? values[index] : golden.Config[key])?.GetValue<double>();

    internal static string? Text(GoldenCase golden, string key) => golden.Config[key]?.GetValue<string>();

    internal static double? Number(GoldenCase golden, string key) => golden.Config[key]?.GetValue<double>();

    private static (int, int)? Pair(GoldenCase golden, string key) =>
        golden.Config[key] is JsonArray pair ? (pair[0]!.GetValue<int>(), pair[1]!.GetValue<int>()) : null;
}
