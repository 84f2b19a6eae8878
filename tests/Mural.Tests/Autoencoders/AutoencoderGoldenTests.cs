using System.Text.Json.Nodes;
using Mural.Autoencoders;
using Mural.Tests.Goldens;

namespace Mural.Tests.Autoencoders;

/// <summary>AutoencoderKL against diffusers. A case is recognised by the class in its model's config and by its tensors.</summary>
[Trait("Area", "vae")]
public class AutoencoderGoldenTests
{
    public static TheoryData<string> Cases => GoldenCase.Names("vae", golden => Models.ClassOf(golden) == nameof(AutoencoderKL));

    [Theory, MemberData(nameof(Cases))]
    public void MatchesDiffusers(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("vae", name);
        using AutoencoderKL vae = Models.OpenKL(golden);
        Run(golden, vae, float32, golden.AssertMatches);
    }

    [Theory, MemberData(nameof(Cases))]
    public void MatchesDiffusersInBFloat16(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("vae", name);
        using AutoencoderKL vae = Models.OpenKL(golden);
        Run(golden, vae, bfloat16, (output, actual) => AssertClose(golden, output, actual));
    }

    private static void Run(GoldenCase golden, AutoencoderKL vae, ScalarType type, Action<string, Tensor> check)
    {
        using var noGrad = no_grad();
        var outputs = new Dictionary<string, Tensor>();
        if (golden.Has("in.image_u8"))
        {
            Tensor image = Models.Picture(golden).to(type);
            using DiagonalGaussian posterior = vae.Encode(image);
            outputs["out.mean"] = posterior.Mean;
            outputs["out.logvar"] = posterior.LogVariance;
            outputs["out.moments_whole"] = vae.EncodeMoments(image);
            if (golden.Has("in.noise"))
            {
                outputs["out.sample"] = posterior.Sample(golden.Get("in.noise"));
                outputs["out.scaled"] = vae.ScaleLatent(outputs["out.sample"]);
            }
            Check(golden, outputs, check);
        }
        outputs.Clear();
        if (golden.Has("in.z"))
        {
            Tensor latent = golden.Get("in.z", type);
            outputs["out.decoded"] = outputs["out.decoded_whole"] = vae.Decode(latent);
            Check(golden, outputs, check);
        }
    }

    private static void Check(GoldenCase golden, Dictionary<string, Tensor> outputs, Action<string, Tensor> check)
    {
        foreach ((string output, Tensor actual) in outputs)
            if (golden.Has(output)) check(output, actual);
    }

    private static void AssertClose(GoldenCase golden, string output, Tensor actual)
    {
        Tensor expected = golden.Get(output);
        Assert.Equal(expected.shape, actual.shape);
        double distance = ((actual.to(float32) - expected).norm() / expected.norm()).item<float>();
        Assert.True(distance <= 5e-2, $"{golden.Name}: {output} is {distance:G4} away in bfloat16");
    }
}

/// <summary>The models that the cases run on.</summary>
internal static class Models
{
    internal static string? ClassOf(GoldenCase golden)
    {
        string config = Path.Combine(FolderOf(golden), "config.json");
        return File.Exists(config) ? JsonNode.Parse(File.ReadAllText(config))!["_class_name"]?.GetValue<string>() : null;
    }

    internal static AutoencoderKL OpenKL(GoldenCase golden)
    {
        AutoencoderKL vae = AutoencoderKL.FromFolder(FolderOf(golden));
        if (golden.Config["layer_endings"] is JsonArray endings) Shrink(vae, [.. endings.Select(ending => ending!.GetValue<string>())]);
        return vae;
    }

    // A model is a pipeline's folder, or the autoencoder's own.
    internal static string FolderOf(GoldenCase golden)
    {
        string inside = Path.Combine(golden.ModelFolder, "vae");
        return Directory.Exists(inside) ? inside : golden.ModelFolder;
    }

    internal static Tensor Picture(GoldenCase golden) => golden.Get("in.image_u8", float32) / 255 * 2 - 1;

    private static void Shrink(nn.Module module, string[] endings)
    {
        using var noGrad = no_grad();
        foreach ((string name, TorchSharp.Modules.Parameter parameter) in module.named_parameters())
        {
            string layer = name[..name.LastIndexOf('.')];
            if (endings.Any(ending => layer.EndsWith(ending, StringComparison.Ordinal))) parameter.mul_(1 / 128f);
        }
    }
}
