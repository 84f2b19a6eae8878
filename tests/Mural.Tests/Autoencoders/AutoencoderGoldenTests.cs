using System.Text.Json.Nodes;
using Mural.Autoencoders;
using Mural.Checkpoints;
using Mural.Layers;
using Mural.Tests.Goldens;

namespace Mural.Tests.Autoencoders;

/// <summary>Both autoencoders against diffusers. A case is recognised by the class in its model's config and by its tensors.</summary>
[Trait("Area", "vae")]
public class AutoencoderGoldenTests
{
    private const double BFloat16Tolerance = 5e-2;

    public static TheoryData<string> KLCases => GoldenCase.Names("vae", golden => ModelClass(golden) == nameof(AutoencoderKL));

    public static TheoryData<string> TinyCases => GoldenCase.Names("vae", golden => ModelClass(golden) == nameof(AutoencoderTiny));

    [Fact]
    public void EveryCaseIsTested() =>
        Assert.Equal(GoldenCase.Names("vae", _ => true).Count, KLCases.Count + TinyCases.Count);

    [GoldenTheory, MemberData(nameof(KLCases))]
    public void KLMatchesDiffusers(string name) => RunKL(name, float32, (golden, output, actual) => golden.AssertMatches(output, actual));

    [GoldenTheory, MemberData(nameof(KLCases))]
    public void KLMatchesDiffusersInBFloat16(string name) => RunKL(name, bfloat16, (golden, output, actual) => golden.AssertCloseInBFloat16(output, actual));

    [GoldenTheory, MemberData(nameof(TinyCases))]
    public void TinyMatchesDiffusers(string name) => RunTiny(name, float32, (golden, output, actual) => golden.AssertMatches(output, actual));

    [GoldenTheory, MemberData(nameof(TinyCases))]
    public void TinyMatchesDiffusersInBFloat16(string name) => RunTiny(name, bfloat16, (golden, output, actual) => golden.AssertCloseInBFloat16(output, actual));

    private static void RunKL(string name, ScalarType type, Action<GoldenCase, string, Tensor> check)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("vae", name);
        using AutoencoderKL vae = LoadKL(golden);
        golden.Change(vae);
        var results = new Results(golden, check);
        if (golden.Has("in.image_u8"))
        {
            Tensor image = Picture(golden).to(type);
            using DiagonalGaussian posterior = vae.Encode(image);
            results.Check("mean", () => posterior.Mean);
            results.Check("logvar", () => posterior.LogVariance);
            results.Check("mode", () => posterior.Mode());
            results.Check("sample", () => posterior.Sample(golden.Get("in.noise")));
            results.Check("scaled", () => vae.ScaleLatent(posterior.Sample(golden.Get("in.noise"))));
            results.Check("moments", () => vae.EncodeMoments(image));
            results.Check("moments_whole", () => vae.EncodeMoments(image));
            results.Check("moments_tiled", () => vae.EncodeMoments(image, Tiles(golden)));
        }
        if (golden.Has("in.z"))
        {
            Tensor latent = golden.Get("in.z", type);
            results.Check("decoded", () => vae.Decode(latent));
            results.Check("decoded_whole", () => vae.Decode(latent));
            results.Check("decoded_tiled", () => vae.Decode(latent, Tiles(golden)));
        }
        results.AssertComplete();
    }

    private static void RunTiny(string name, ScalarType type, Action<GoldenCase, string, Tensor> check)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("vae", name);
        using AutoencoderTiny vae = AutoencoderTiny.FromFolder(Folder(golden));
        golden.Change(vae);
        var results = new Results(golden, check);
        TileOptions? tiles = golden.Config["tile_sample_min_size"] is null ? null : Tiles(golden);
        if (golden.Has("in.image_u8"))
        {
            Tensor image = Picture(golden).to(type), latents = vae.Encode(image, tiles);
            results.Check("latents", () => latents);
            results.Check("latents_whole", () => vae.Encode(image));
            results.Check("latents_tiled", () => vae.Encode(image, Tiles(golden)));
            results.CheckBytes("latents_u8", type, () => (vae.ToUnitRange(latents.to(float32)) * 255).round());
        }
        if (golden.Has("in.z"))
        {
            Tensor latent = golden.Get("in.z", type);
            results.Check("decoded", () => vae.Decode(latent, tiles));
            results.Check("decoded_whole", () => vae.Decode(latent));
            results.Check("decoded_tiled", () => vae.Decode(latent, Tiles(golden)));
        }
        results.AssertComplete();
    }

    // The folder's autoencoder, whose latents are scaled as the case says.
    private static AutoencoderKL LoadKL(GoldenCase golden)
    {
        AutoencoderConfig folders = AutoencoderConfig.Read(Folder(golden));
        double[]? List(string key) => golden.Config[key] is JsonArray numbers ? [.. numbers.Select(number => number!.GetValue<double>())] : null;
        var vae = new AutoencoderKL(
            folders with
            {
                ScalingFactor = golden.Config["scaling_factor"]?.GetValue<double>() ?? folders.ScalingFactor,
                ShiftFactor = golden.Config["shift_factor"]?.GetValue<double>() ?? folders.ShiftFactor,
                LatentsMean = List("latents_mean") ?? folders.LatentsMean,
                LatentsStandardDeviation = List("latents_std") ?? folders.LatentsStandardDeviation,
            },
            new LayerFactory(float32, Initialize: false));
        return ModelFolder.Loaded(vae, Folder(golden), vae.Load);
    }

    private static TileOptions Tiles(GoldenCase golden) =>
        new(golden.Config["tile_sample_min_size"]!.GetValue<int>(), golden.Config["tile_overlap_factor"]!.GetValue<double>());

    private static Tensor Picture(GoldenCase golden) => golden.Get("in.image_u8", float32) / 255 * 2 - 1;

    private static string? ModelClass(GoldenCase golden)
    {
        string config = Path.Combine(Folder(golden), "config.json");
        return File.Exists(config) ? JsonNode.Parse(File.ReadAllText(config))!["_class_name"]?.GetValue<string>() : null;
    }

    // A model is a pipeline's folder, or the autoencoder's own.
    private static string Folder(GoldenCase golden)
    {
        string inside = Path.Combine(golden.ModelFolder, "vae");
        return Directory.Exists(inside) ? inside : golden.ModelFolder;
    }

    /// <summary>Checks outputs that a case holds, and that it holds no others.</summary>
    private sealed class Results(GoldenCase golden, Action<GoldenCase, string, Tensor> check)
    {
        private readonly HashSet<string> _checked = [];

        internal void Check(string output, Func<Tensor> compute)
        {
            string name = "out." + output;
            if (golden.Has(name) && _checked.Add(name)) check(golden, name, compute());
        }

        internal void CheckBytes(string output, ScalarType type, Func<Tensor> compute)
        {
            string name = "out." + output;
            if (!golden.Has(name) || !_checked.Add(name)) return;
            // A latent of bfloat16 moves by up to 2^-8 of its size, which is 1.5 steps at the largest.
            double allowed = type == float32 ? 1 : 1 + 255 * BFloat16Tolerance;
            double difference = (compute() - golden.Get(name, float32)).abs().max().item<float>();
            Assert.True(difference <= allowed, $"{golden.Name}: {name} differs by {difference}");
        }

        internal void AssertComplete() =>
            Assert.DoesNotContain(golden.Tensors.Keys, name => name.StartsWith("out.", StringComparison.Ordinal) && !_checked.Contains(name));
    }
}
