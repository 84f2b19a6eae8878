using System.Text.Json.Nodes;
using Mural.Checkpoints;

namespace Mural.Autoencoders;

/// <summary>The diffusers <c>config.json</c> of an <see cref="AutoencoderKL"/>.</summary>
internal static class AutoencoderConfigJson
{
    private const string DownBlock = "DownEncoderBlock2D", UpBlock = "UpDecoderBlock2D";

    internal static AutoencoderConfig Read(string path) => Read(ConfigReader.Open(path, nameof(AutoencoderKL)));

    /// <summary>Reads the text of a <c>config.json</c>.</summary>
    internal static AutoencoderConfig Parse(string text, string source) => Read(ConfigReader.Parse(text, source, nameof(AutoencoderKL)));

    private static AutoencoderConfig Read(ConfigReader json)
    {
        json.Require("act_fn", json.Text("act_fn", "silu"), "silu");
        foreach (string type in json.List<string>("down_block_types") ?? []) json.Require("down_block_types", type, DownBlock);
        foreach (string type in json.List<string>("up_block_types") ?? []) json.Require("up_block_types", type, UpBlock);
        // diffusers' class defaults, which are not Stable Diffusion's values.
        var config = new AutoencoderConfig
        {
            InChannels = json.Integer("in_channels", 3),
            OutChannels = json.Integer("out_channels", 3),
            LatentChannels = json.Integer("latent_channels", 4),
            BlockOutChannels = json.List<int>("block_out_channels") ?? [64],
            LayersPerBlock = json.Integer("layers_per_block", 1),
            NormGroupCount = json.Integer("norm_num_groups", 32),
            MidBlockAttention = json.Flag("mid_block_add_attention", true),
            UseQuantConv = json.Flag("use_quant_conv", true),
            UsePostQuantConv = json.Flag("use_post_quant_conv", true),
            ScalingFactor = json.Number("scaling_factor", 0.18215),
            ShiftFactor = json.OptionalNumber("shift_factor"),
            LatentsMean = json.List<double>("latents_mean"),
            LatentsStandardDeviation = json.List<double>("latents_std"),
            SampleSize = json.Integer("sample_size", 32),
            ForceUpcast = json.Flag("force_upcast", true),
        };
        config.Validate();
        return config;
    }

    internal static string Write(AutoencoderConfig config)
    {
        int levels = config.BlockOutChannels.Count;
        var json = new JsonObject
        {
            ["_class_name"] = nameof(AutoencoderKL),
            ["act_fn"] = "silu",
            ["block_out_channels"] = ConfigWriter.List(config.BlockOutChannels),
            ["down_block_types"] = ConfigWriter.List(Enumerable.Repeat(DownBlock, levels)),
            ["force_upcast"] = config.ForceUpcast,
            ["in_channels"] = config.InChannels,
            ["latent_channels"] = config.LatentChannels,
            ["latents_mean"] = config.LatentsMean is null ? null : ConfigWriter.List(config.LatentsMean),
            ["latents_std"] = config.LatentsStandardDeviation is null ? null : ConfigWriter.List(config.LatentsStandardDeviation),
            ["layers_per_block"] = config.LayersPerBlock,
            ["mid_block_add_attention"] = config.MidBlockAttention,
            ["norm_num_groups"] = config.NormGroupCount,
            ["out_channels"] = config.OutChannels,
            ["sample_size"] = config.SampleSize,
            ["scaling_factor"] = config.ScalingFactor,
            ["shift_factor"] = config.ShiftFactor,
            ["up_block_types"] = ConfigWriter.List(Enumerable.Repeat(UpBlock, levels)),
            ["use_post_quant_conv"] = config.UsePostQuantConv,
            ["use_quant_conv"] = config.UseQuantConv,
        };
        return json.ToJsonString(ConfigWriter.Indented) + "\n";
    }
}
