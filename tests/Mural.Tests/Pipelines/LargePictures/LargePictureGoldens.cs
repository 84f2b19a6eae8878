using System.Text.Json.Nodes;
using Mural.Autoencoders;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.Tests.LinFusion;
using Mural.Text;

namespace Mural.Tests.Pipelines;

/// <summary>What the cases of large pictures have in common.</summary>
internal static class LargePictureGoldens
{
    // The official pipelines' own, which their examples replace.
    private const double OfficialBlur = 1;

    internal static StableDiffusionParts Load(GoldenCase golden)
    {
        var options = new StableDiffusionOptions
        {
            LinFusion = LinFusionGoldens.Folder(golden),
            Runtime = new RuntimeOptions { Device = "cpu", Precision = Precision.Float32 },
            Prompts = PromptSyntax.Plain,
        };
        return StableDiffusionParts.Load(golden.ModelFolder, options, RuntimePlan.Choose(options.Runtime));
    }

    internal static int Number(GoldenCase golden, string key) => golden.Config[key]!.GetValue<int>();

    internal static string[] Prompts(GoldenCase golden) =>
        golden.Config["prompts"] is JsonArray prompts ? [.. prompts.Select(prompt => prompt!.GetValue<string>())] : [golden.Config["prompt"]!.GetValue<string>()];

    internal static LargePictureRequest Request(GoldenCase golden, StableDiffusionParts parts, int prompt, UpscaleMethod method, int height, int width) => new()
    {
        // The size that a case tells is that of the large picture.
        Picture = PipelineRequests.Settings(golden, parts, prompt) with { Prompt = Prompts(golden)[prompt], Width = null, Height = null },
        Height = height,
        Width = width,
        Method = method,
        Strength = PipelineGoldens.Number(golden, "upscale_strength"),
        Dilation = golden.Config["cosine_scales"] is not JsonArray scales ? new() : new DilationSettings
        {
            SkipExponent = scales[0]!.GetValue<double>(),
            DilatedExponent = scales[1]!.GetValue<double>(),
            BlurExponent = scales[2]!.GetValue<double>(),
            BlurSigma = PipelineGoldens.Number(golden, "gaussian_sigma") ?? OfficialBlur,
        },
    };

    /// <summary>The tiles that a case's autoencoder cuts pictures into, or null for none: it cuts none where the case says so, or tells no size.</summary>
    internal static TileOptions? Tiles(GoldenCase golden)
    {
        bool? asked = golden.Config["vae_tiling"]?.GetValue<bool>();
        JsonNode? tiles = golden.Config["vae_tile"];
        Assert.False(asked == true && tiles is null, $"{golden.Name} tiles its autoencoder but tells no size of the tiles");
        return asked == false || tiles is null ? null : Tiles(tiles);
    }

    internal static TileOptions Tiles(JsonNode tiles) => new(tiles["sample"]!.GetValue<int>(), tiles["overlap"]!.GetValue<double>());

    /// <summary>A picture of rows of RGB. Shape: <c>[H, W, 3]</c>.</summary>
    internal static Picture PictureOf(Tensor bytes) => new((int)bytes.shape[1], (int)bytes.shape[0], 3, bytes.contiguous().data<byte>().ToArray());

    /// <summary>Every third row and column of a picture. Shape: <c>[h, w, 3]</c>.</summary>
    internal static byte[] EveryThird(Picture picture)
    {
        var bytes = new List<byte>();
        for (int y = 0; y < picture.Height; y += 3)
            for (int x = 0; x < picture.Width; x += 3) bytes.AddRange(picture.Row(y).Slice(3 * x, 3));
        return [.. bytes];
    }

    /// <summary>The picture, as the case keeps it, within 1.</summary>
    internal static void AssertPicture(GoldenCase golden, string name, int index, Picture painted)
    {
        bool whole = golden.Has(name);
        Tensor kept = golden.Get(whole ? name : name + "_every3");
        Tensor one = kept.dim() == 4 ? kept[index] : kept;
        TinyStableDiffusion.AssertClose(one.contiguous().data<byte>().ToArray(), whole ? painted.Data : EveryThird(painted));
    }
}
