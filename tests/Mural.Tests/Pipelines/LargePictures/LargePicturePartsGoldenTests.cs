using System.Globalization;
using System.Text.Json.Nodes;
using Mural.Autoencoders;
using Mural.Pipelines;
using Mural.Samplers;
using Mural.Tests.Goldens;
using Mural.Tests.LinFusion;
using Mural.UNet;

namespace Mural.Tests.Pipelines;

/// <summary>The pieces of the official chain: sizes and steps, blur, dilated network, cosine; and tiled decoding.</summary>
[Trait("Area", LinFusionGoldens.Area)]
public class LargePicturePartsGoldenTests
{
    public static TheoryData<string> Planners => GoldenCase.NamesByJson(LinFusionGoldens.Area, json => json["sizes"] is JsonArray && json["steps"] is JsonArray);

    public static TheoryData<string> Parts => GoldenCase.Names(LinFusionGoldens.Area, golden => golden.Config["ratios"] is JsonArray && golden.Has("out.cosine_factor"));

    public static TheoryData<string> Tilings => GoldenCase.Names(LinFusionGoldens.Area, golden => golden.Config["tile_sample"] is not null && golden.Has("in.latent"));

    [GoldenTheory, MemberData(nameof(Planners))]
    public void SizesAndStepsAreTheOfficialOnes(string name)
    {
        JsonObject json = GoldenCase.ReadJson(LinFusionGoldens.Area, name);
        int multiple = json["config"]!["vae_scale_factor"]!.GetValue<int>();
        foreach (JsonNode? size in json["sizes"]!.AsArray())
        {
            int Of(string key) => size![key]!.GetValue<int>();
            LargePictureSizes sizes = LargePictureSizes.Of(Of("height"), Of("width"), Of("native_latent_side") * multiple, multiple);
            Assert.Equal(
                (Of("num_scales"), Of("base_height"), Of("base_width"), Of("actual_height"), Of("actual_width")),
                (sizes.Doublings, sizes.BaseHeight, sizes.BaseWidth, sizes.Height, sizes.Width));
        }
        foreach (JsonNode? step in json["steps"]!.AsArray())
        {
            int Of(string key) => step![key]!.GetValue<int>();
            (double strength, int run) = StageStrengths.HighResolution(step!["upscale_strength"]!.GetValue<double>(), Of("num_scales"), Of("inference_steps"))[Of("stage") - 1];
            Assert.Equal(step["stage_strength"]!.GetValue<double>(), strength);
            Assert.Equal(Of("steps_run"), run);
            Sampler sampler = Sampler.Create(new SamplerOptions { Sampler = SamplerKind.Euler, TimestepSpacing = TimestepSpacing.Leading, StepsOffset = 1 }, Of("inference_steps"));
            Assert.Equal([.. step["timesteps"]!.AsArray().Select(value => value!.GetValue<double>())], sampler.Timesteps.TakeLast(run));
        }
    }

    [GoldenTheory, MemberData(nameof(Parts))]
    public void PiecesAreTheOfficialOnes(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients(LinFusionGoldens.Area, name);
        Tensor x = golden.Get("in.x");
        foreach (string output in golden.Tensors.Keys.Where(key => key.StartsWith("out.blur", StringComparison.Ordinal)))
        {
            string[] words = output.Split(".r")[1].Split(".s");
            Tensor blurred = LatentBlur.Apply(x, 2 * int.Parse(words[0], CultureInfo.InvariantCulture) - 1, double.Parse(words[1], CultureInfo.InvariantCulture));
            golden.AssertMatches(output, output.Contains("restandardised", StringComparison.Ordinal) ? ChannelStatistics.Of(x).GiveTo(blurred) : blurred);
        }
        float[] rows = golden.Get("out.cosine_factor").data<float>().ToArray();
        for (int i = 0; i < rows.Length; i += 2) Assert.Equal(rows[i + 1], DilationSettings.Cosine(rows[i], 1000), 1e-6);

        using UNet2DConditionModel network = UNet2DConditionModel.FromFolder(Path.Combine(golden.ModelFolder, "unet"));
        network.LoadLinFusion(LinFusionGoldens.Folder(golden));
        network.PrepareForInference(Mural.Runtime.KernelSet.Mural, float32);
        using PreparedPrompt prompt = network.Prepare(
            new UNetConditioning(golden.Get("in.encoder_hidden_states")) { PooledText = golden.Get("in.text_embeds"), SizeNumbers = golden.Get("in.time_ids") });
        Tensor Run() => network.Forward(golden.Get("in.sample"), golden.Get("in.timestep"), prompt);
        foreach (JsonNode? ratio in golden.Config["ratios"]!.AsArray())
        {
            int factor = ratio!.GetValue<int>();
            using (network.Dilate(factor)) golden.AssertMatches($"out.dilated_unet.r{factor}", Run());
        }
        // As it was before.
        golden.AssertMatches("mid.undilated_unet", Run());
    }

    [GoldenTheory, MemberData(nameof(Tilings))]
    public void TilesOfTheOfficialKindAreTheOfficialOnes(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients(LinFusionGoldens.Area, name);
        using AutoencoderKL autoencoder = AutoencoderKL.FromFolder(GoldenCase.Model(golden.Config["vae"]!.GetValue<string>()));
        var tiles = new TileOptions(LargePictureGoldens.Number(golden, "tile_sample"), golden.Config["overlap"]!.GetValue<double>());
        golden.AssertMatches("out.decoded", autoencoder.Decode(golden.Get("in.latent"), tiles));
        if (golden.Has("in.image_u8")) golden.AssertMatches("out.moments", autoencoder.EncodeMoments(golden.Get("in.image_u8").to(float32) / 128 - 1, tiles));
    }
}
