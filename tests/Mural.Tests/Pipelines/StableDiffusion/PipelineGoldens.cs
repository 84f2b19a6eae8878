using System.Text.Json.Nodes;
using Mural.Adapters;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.Tests.UNet;
using Mural.Text;
using Mural.UNet;

namespace Mural.Tests.Pipelines;

/// <summary>What the cases of the area hold: a run of a pipeline of diffusers, from prompt to picture.</summary>
internal static class PipelineGoldens
{
    internal const string Area = "pipelines";

    private static readonly HashSet<string> Known =
    [
        "pipeline", "prompt", "prompt_2", "negative_prompt", "negative_prompt_2", "clip_skip", "force_zeros_for_empty_prompt",
        "height", "width", "steps", "guidance_scale", "guidance_rescale", "eta", "images_per_prompt",
        "scheduler", "timesteps", "sigmas", "denoising_start", "denoising_end", "strength", "padding_mask_crop",
        "original_size", "crops_coords_top_left", "target_size", "aesthetic_score",
        "negative_original_size", "negative_crops_coords_top_left", "negative_target_size", "negative_aesthetic_score",
        "controlnet", "controlnet_conditioning_scale", "control_guidance_start", "control_guidance_end", "guess_mode",
        "global_pool_conditions", "controlnet_conditioning_channel_order", "ip_adapter", "lora", "textual_inversion", "vae",
        // These follow from the files, the tensors or the settings above.
        "unet", "requires_aesthetics_score", "init_noise_sigma", "noise_order", "note",
    ];

    // What a request has one of; a case may bring one for each picture of its batch.
    private static readonly string[] PictureNames = ["in.image_u8", "in.mask_u8", "in.hint"];

    /// <summary>Every case, on each set of kernels.</summary>
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

    /// <summary>Fails where a case has a setting that would be passed over.</summary>
    internal static void RequireKnown(GoldenCase golden)
    {
        string[] unknown = [.. golden.Config.AsObject().Where(entry => entry.Value is not null && !Known.Contains(entry.Key)).Select(entry => entry.Key)];
        Assert.True(unknown.Length == 0, $"{golden.Name} has settings that this test does not know: {string.Join(", ", unknown)}");
    }

    /// <summary>The parts of a case's batch that are painted at once: all pictures (null), or each alone, by its number, where prompts or given pictures differ.</summary>
    internal static int?[] Runs(GoldenCase golden)
    {
        int prompts = golden.Config["prompt"] is JsonArray texts ? texts.Count : 1;
        bool differ = prompts > 1 || golden.Tensors.Any(entry => PictureNames.Any(name => entry.Key.StartsWith(name, StringComparison.Ordinal)) && entry.Value.Shape[0] > 1);
        return differ ? [.. Enumerable.Range(0, prompts * Count(golden)).Select(row => (int?)row)] : [null];
    }

    /// <summary>Pictures of each prompt.</summary>
    internal static int Count(GoldenCase golden) => (int?)Number(golden, "images_per_prompt") ?? 1;

    internal static StableDiffusionOptions Options(GoldenCase golden, KernelSet kernels) => new()
    {
        Autoencoder = Text(golden, "vae") is { } name ? Autoencoder(GoldenCase.Model(name.Split(' ')[0])) : null,
        Loras = [.. Several(golden.Config["lora"]).Select(lora => new StableDiffusionLora(At(lora), lora["scale"]?.GetValue<double>() ?? 1))],
        TextualInversions = [.. Several(golden.Config["textual_inversion"]).Select(At)],
        Runtime = new RuntimeOptions { Device = "cpu", Precision = Precision.Float32, Kernels = kernels },
        Prompts = PromptSyntax.Plain,
    };

    /// <summary>The IP-Adapters that the case names.</summary>
    internal static IpAdapter[] Adapters(GoldenCase golden, StableDiffusionParts parts) =>
        [.. Several(golden.Config["ip_adapter"]).Select(adapter => IpAdapter.Load(At(adapter), parts.UNet, parts.Runtime))];

    /// <summary>The ControlNets that the case names, one for each control picture.</summary>
    internal static ControlNetModel[] Networks(GoldenCase golden, string pictures, KernelSet kernels) =>
        golden.Config["controlnet"] is null ? [] : [.. Numbered(golden, pictures).Select((_, i) => ControlNetGoldens.Load(golden, i, kernels))];

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

    /// <summary>The tensors of that name, of which the second and later ones have their number after it.</summary>
    internal static string[] Numbered(GoldenCase golden, string name) =>
        [.. golden.Tensors.Keys.Where(key => key.StartsWith(name, StringComparison.Ordinal))
            .OrderBy(key => key.Replace("_u8", "", StringComparison.Ordinal), StringComparer.Ordinal)];

    /// <summary>The entries of a setting that may have one or a list.</summary>
    internal static IReadOnlyList<JsonNode> Several(JsonNode? setting) => setting switch
    {
        null => [],
        JsonArray entries => [.. entries.Select(entry => entry!)],
        _ => [setting],
    };

    /// <summary>A text, or that of a prompt where there is a list.</summary>
    internal static string? Text(GoldenCase golden, string key, int prompt = 0) =>
        (golden.Config[key] is JsonArray texts ? texts[prompt] : golden.Config[key])?.GetValue<string>();

    internal static double? Number(GoldenCase golden, string key) => golden.Config[key]?.GetValue<double>();

    private static string At(JsonNode adapter) => GoldenCase.At(Area, adapter["file"]!.GetValue<string>());

    // A model is a pipeline's folder, or the autoencoder's own.
    private static string Autoencoder(string folder)
    {
        string inside = Path.Combine(folder, "vae");
        return Directory.Exists(inside) ? inside : folder;
    }
}
