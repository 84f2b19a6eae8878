using System.Text.Json.Nodes;
using Mural.Adapters;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Samplers;
using Mural.Tests.Goldens;
using Mural.UNet;
using static Mural.Tests.Pipelines.PipelineGoldens;

namespace Mural.Tests.Pipelines;

/// <summary>What cases ask for, in the words of diffusers' pipelines.</summary>
internal static class PipelineRequests
{
    /// <summary>The request of a case of the area.</summary>
    /// <param name="golden">The case.</param>
    /// <param name="parts">Its model.</param>
    /// <param name="networks">Its ControlNets.</param>
    /// <param name="adapters">Its IP-Adapters.</param>
    /// <param name="row">The picture of the batch that is painted alone, or null for all.</param>
    internal static StableDiffusionRequest Of(GoldenCase golden, StableDiffusionParts parts, IReadOnlyList<ControlNetModel> networks, IReadOnlyList<IpAdapter> adapters, int? row)
    {
        int count = Count(golden), prompt = (row ?? 0) / count;
        StableDiffusionRequest settings = Settings(golden, parts, prompt);
        Picture? picture = PictureOf(golden, "in.image_u8", row ?? 0);
        bool listed = golden.Config["timesteps"] is not null || golden.Config["sigmas"] is not null;
        return settings with
        {
            Prompt = PipelineGoldens.Text(golden, "prompt", prompt) ?? "",
            Steps = listed ? null : settings.Steps,
            Sampling = listed ? Listed(golden, settings.Sampling) : settings.Sampling,
            Count = row is null ? count : 1,
            InitialPicture = picture,
            Mask = PictureOf(golden, "in.mask_u8", row ?? 0),
            MaskPadding = (int?)Number(golden, "padding_mask_crop"),
            // A run that goes on from another counts for nothing what a strength would leave out.
            Strength = picture is null ? null : golden.Config["denoising_start"] is null ? Strength(golden) : 1,
            Controls = [.. Numbered(golden, "in.hint").Zip(networks, (hint, network) => (hint, network))
                .Select((pair, i) => Control(golden, new ControlInput(pair.network, PictureOf(golden, pair.hint, prompt)!), i))],
            PicturePrompts = [.. Several(golden.Config["ip_adapter"]).Zip(adapters, (about, adapter) => (about, adapter))
                .Select((pair, i) => new PicturePrompt(pair.adapter, new Picture(1, 1, 3))
                {
                    Features = Features(golden, pair.about, i),
                    Scale = pair.about["scale"]?.GetValue<double>() ?? 1,
                })],
        };
    }

    /// <summary>The settings that cases of other areas share: all but prompt and pictures.</summary>
    internal static StableDiffusionRequest Settings(GoldenCase golden, StableDiffusionParts parts, int prompt) => new()
    {
        SecondPrompt = PipelineGoldens.Text(golden, "prompt_2", prompt),
        NegativePrompt = PipelineGoldens.Text(golden, "negative_prompt", prompt),
        SecondNegativePrompt = PipelineGoldens.Text(golden, "negative_prompt_2", prompt),
        Width = (int?)Number(golden, "width"),
        Height = (int?)Number(golden, "height"),
        Steps = (int?)Number(golden, "steps"),
        Guidance = Number(golden, "guidance_scale") ?? Defaults(golden)?.Guidance,
        GuidanceRescale = Number(golden, "guidance_rescale") ?? 0,
        Eta = Number(golden, "eta") ?? 0,
        Sampling = Sampling(golden),
        ClipSkip = (int?)Number(golden, "clip_skip") ?? 0,
        NegativeClipSkip = 0,
        Sizes = Sizes(golden),
        NegativeSizes = NegativeSizes(golden, parts.SizeNumbers),
    };

    /// <summary>How much of a given picture is left.</summary>
    internal static double? Strength(GoldenCase golden) => Number(golden, "strength") ?? Defaults(golden)?.Strength;

    /// <summary>A ControlNet with its settings.</summary>
    internal static ControlInput Control(GoldenCase golden, ControlInput input, int index) => input with
    {
        Scale = Nth(golden, "controlnet_conditioning_scale", index) ?? Defaults(golden)?.ControlScale ?? 1,
        Start = Nth(golden, "control_guidance_start", index) ?? 0,
        End = Nth(golden, "control_guidance_end", index) ?? 1,
        GuessMode = golden.Config["guess_mode"]?.GetValue<bool>() == true,
    };

    /// <summary>The calls of the plan that a case makes: those of a base model end early, those of a refiner begin late.</summary>
    internal static StableDiffusionPlan Shortened(GoldenCase golden, StableDiffusionPlan plan)
    {
        if (Number(golden, "denoising_start") is { } start and > 0 and < 1) plan = plan with { FirstCall = plan.Sampler.CallsBefore(start) };
        if (Number(golden, "denoising_end") is not { } end || end <= 0 || end >= 1) return plan;
        // diffusers counts timesteps here, and may stop between the two calls of a step.
        double trained = plan.Sampler.Options.TrainTimesteps, last = Math.Round(trained - end * trained);
        return plan with { EndCall = Math.Max(plan.FirstCall, plan.Sampler.Timesteps.Count(timestep => timestep >= last)) };
    }

    private static PipelineDefaults? Defaults(GoldenCase golden) => PipelineGoldens.Text(golden, "pipeline") is { } name ? PipelineDefaults.Of(name) : null;

    private static SamplerOptions? Sampling(GoldenCase golden)
    {
        if (golden.Config["scheduler"]?.DeepClone() is not JsonObject config) return null;
        if (config["class"] is { } name) config["_class_name"] = name.DeepClone();
        return SchedulerConfig.Read(config, golden.Name);
    }

    private static SamplerOptions Listed(GoldenCase golden, SamplerOptions? sampling)
    {
        SamplerOptions given = sampling ?? throw new InvalidOperationException($"{golden.Name} lists its steps and tells no scheduler");
        double[]? List(string key) => golden.Config[key] is JsonArray numbers ? [.. numbers.Select(number => number!.GetValue<double>())] : null;
        return given with { CustomTimesteps = List("timesteps"), CustomSigmas = List("sigmas") };
    }

    private static SizeConditioning Sizes(GoldenCase golden) => new()
    {
        Original = Pair(golden, "original_size"),
        Crop = Pair(golden, "crops_coords_top_left") ?? (0, 0),
        Target = Pair(golden, "target_size"),
        AestheticScore = Number(golden, "aesthetic_score"),
    };

    private static SizeConditioning? NegativeSizes(GoldenCase golden, int sizeNumbers)
    {
        const int WithScore = 5;
        SizeConditioning positive = Sizes(golden);
        (int, int)? original = Pair(golden, "negative_original_size"), target = Pair(golden, "negative_target_size");
        (int, int) crop = Pair(golden, "negative_crops_coords_top_left") ?? (0, 0);
        if (Defaults(golden)?.ChangesPicture == true)
            return new SizeConditioning
            {
                Original = original ?? positive.Original,
                // Pipelines that change pictures look at the negative crop only where the network is told a score.
                Crop = sizeNumbers == WithScore ? crop : positive.Crop,
                Target = target ?? positive.Target,
                AestheticScore = Number(golden, "negative_aesthetic_score"),
            };
        // The others look at the negative numbers only where both sizes are given.
        return original is null || target is null ? null : new SizeConditioning { Original = original, Crop = crop, Target = target };
    }

    // What the image encoder says of no picture, and of the picture.
    private static Tensor Features(GoldenCase golden, JsonNode about, int index)
    {
        Tensor OneOf(string name) => golden.Get(((string[])[index == 0 ? name : $"{name}_{index + 1}", $"{name}.{index}"]).FirstOrDefault(golden.Has) ?? name);
        Tensor seen = OneOf("in.image_embeds");
        if (seen.shape[0] == 2) return seen;
        if (golden.Tensors.Keys.Any(key => key.StartsWith("in.negative_image_embeds", StringComparison.Ordinal))) return cat([OneOf("in.negative_image_embeds"), seen]);
        string kind = about["unconditional_image_embeds"]?.GetValue<string>() ?? "zeros";
        Assert.True(kind == "zeros", $"{golden.Name} brings no unconditional_image_embeds '{kind}'");
        return cat([zeros_like(seen), seen]);
    }

    private static Picture? PictureOf(GoldenCase golden, string name, int index)
    {
        if (!golden.Has(name)) return null;
        Picture[] pictures = Pictures(golden.Get(name));
        return pictures[index % pictures.Length];
    }

    private static double? Nth(GoldenCase golden, string key, int index) =>
        (golden.Config[key] is JsonArray values ? values[index] : golden.Config[key])?.GetValue<double>();

    private static (int, int)? Pair(GoldenCase golden, string key) =>
        golden.Config[key] is JsonArray pair ? (pair[0]!.GetValue<int>(), pair[1]!.GetValue<int>()) : null;
}
