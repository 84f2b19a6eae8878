using System.Text.Json.Nodes;
using Mural.Checkpoints;

namespace Mural.UNet;

/// <summary>The diffusers <c>config.json</c> of a <see cref="UNet2DConditionModel"/>, and the part of a ControlNet's that describes its copy of one.</summary>
internal static class UNetConfigJson
{
    private const string DownBlock = "DownBlock2D", AttentionDownBlock = "CrossAttnDownBlock2D", UpBlock = "UpBlock2D", AttentionUpBlock = "CrossAttnUpBlock2D";
    private const string TextTime = "text_time", MiddleBlock = "mid_block_type";

    // Keys that change the network in ways Stable Diffusion never uses, with the one value (as JSON) that does not.
    private static readonly (string Key, string Only)[] Unsupported =
    [
        ("act_fn", "\"silu\""), ("attention_type", "\"default\""), ("class_embed_type", "null"), ("class_embeddings_concat", "false"), ("conv_in_kernel", "3"),
        ("conv_out_kernel", "3"), ("cross_attention_norm", "null"), ("dual_cross_attention", "false"), ("encoder_hid_dim", "null"), ("encoder_hid_dim_type", "null"),
        ("mid_block_only_cross_attention", "false"), (MiddleBlock, "\"UNetMidBlock2DCrossAttn\""), ("num_class_embeds", "null"), ("only_cross_attention", "false"),
        ("resnet_out_scale_factor", "1"), ("resnet_skip_time_act", "false"), ("resnet_time_scale_shift", "\"default\""),
        ("reverse_transformer_layers_per_block", "null"), ("time_embedding_act_fn", "null"), ("time_embedding_type", "\"positional\""), ("timestep_post_act", "null"),
    ];

    internal static UNetConfig Read(string path) => Read(ConfigReader.Open(path, nameof(UNet2DConditionModel)));

    /// <summary>Reads the text of a <c>config.json</c>.</summary>
    internal static UNetConfig Parse(string text, string source) => Read(ConfigReader.Parse(text, source, nameof(UNet2DConditionModel)));

    private static UNetConfig Read(ConfigReader json)
    {
        UNetConfig config = Network(json) with
        {
            OutChannels = json.Integer("out_channels", 4),
            UpBlockAttention = Attention(json, "up_block_types", [UpBlock, AttentionUpBlock, AttentionUpBlock, AttentionUpBlock], UpBlock, AttentionUpBlock),
        };
        config.Validate();
        return config;
    }

    /// <summary>What a UNet and a ControlNet have in common. A ControlNet has no way up: that of the result mirrors the way down.</summary>
    internal static UNetConfig Network(ConfigReader json)
    {
        foreach ((string key, string only) in Unsupported) json.RequireDefault(key, only);
        // Elsewhere null stands for the default; here it is what networks that were made smaller have.
        if (json.IsNull(MiddleBlock))
            throw new MuralException(
                $"{json.Source} has {MiddleBlock} null: the network was made smaller, without a middle, as BK-SDM and small-sd, which is not supported; give one of full size.");
        int[] channels = json.List<int>("block_out_channels") ?? [320, 640, 1280, 1280];
        int levels = channels.Length;
        bool[] down = Attention(json, "down_block_types", [AttentionDownBlock, AttentionDownBlock, AttentionDownBlock, DownBlock], DownBlock, AttentionDownBlock);
        string added = json.Text("addition_embed_type", "");
        if (added.Length > 0) json.Require("addition_embed_type", added, TextTime);
        // diffusers' class defaults, which are not Stable Diffusion's values.
        return new UNetConfig
        {
            InChannels = json.Integer("in_channels", 4),
            SampleSize = json.OptionalInteger("sample_size"),
            BlockOutChannels = channels,
            DownBlockAttention = down,
            UpBlockAttention = [.. down.Reverse()],
            LayersPerBlock = json.PerLevel("layers_per_block", levels, 2),
            AttentionHeads = Heads(json, levels),
            TransformerLayers = json.PerLevel("transformer_layers_per_block", levels, 1),
            CrossAttentionWidth = json.Integer("cross_attention_dim", 1280),
            UseLinearProjection = json.Flag("use_linear_projection", false),
            UpcastAttention = json.Flag("upcast_attention", false),
            NormGroupCount = json.Integer("norm_num_groups", 32),
            NormEpsilon = json.Number("norm_eps", 1e-5),
            FlipSinToCos = json.Flag("flip_sin_to_cos", true),
            FrequencyShift = json.Number("freq_shift", 0),
            DownsamplePadding = json.Integer("downsample_padding", 1),
            MidBlockScaleFactor = json.Number("mid_block_scale_factor", 1),
            CenterInputSample = json.Flag("center_input_sample", false),
            TimeEmbeddingWidth = json.OptionalInteger("time_embedding_dim"),
            SizeEmbeddingWidth = added.Length > 0 ? json.Integer("addition_time_embed_dim", 0) : null,
            AddedEmbeddingWidth = added.Length > 0 ? json.Integer("projection_class_embeddings_input_dim", 0) : null,
            GuidanceEmbeddingWidth = json.OptionalInteger("time_cond_proj_dim"),
        };
    }

    internal static string Write(UNetConfig config)
    {
        JsonObject json = Network(config);
        json["_class_name"] = nameof(UNet2DConditionModel);
        json["out_channels"] = config.OutChannels;
        json["up_block_types"] = ConfigWriter.List(config.UpBlockAttention.Select(attention => attention ? AttentionUpBlock : UpBlock));
        return json.ToJsonString(ConfigWriter.Indented) + "\n";
    }

    /// <summary>The keys that a UNet and a ControlNet have in common.</summary>
    internal static JsonObject Network(UNetConfig config) => new()
    {
        ["act_fn"] = "silu",
        ["addition_embed_type"] = config.AddedEmbeddingWidth is null ? null : TextTime,
        ["addition_time_embed_dim"] = config.SizeEmbeddingWidth,
        ["attention_head_dim"] = ConfigWriter.PerLevel(config.AttentionHeads),
        ["block_out_channels"] = ConfigWriter.List(config.BlockOutChannels),
        ["center_input_sample"] = config.CenterInputSample,
        ["cross_attention_dim"] = config.CrossAttentionWidth,
        ["down_block_types"] = ConfigWriter.List(config.DownBlockAttention.Select(attention => attention ? AttentionDownBlock : DownBlock)),
        ["downsample_padding"] = config.DownsamplePadding,
        ["flip_sin_to_cos"] = config.FlipSinToCos,
        ["freq_shift"] = config.FrequencyShift,
        ["in_channels"] = config.InChannels,
        ["layers_per_block"] = ConfigWriter.PerLevel(config.LayersPerBlock),
        ["mid_block_scale_factor"] = config.MidBlockScaleFactor,
        ["norm_eps"] = config.NormEpsilon,
        ["norm_num_groups"] = config.NormGroupCount,
        ["projection_class_embeddings_input_dim"] = config.AddedEmbeddingWidth,
        ["sample_size"] = config.SampleSize,
        ["time_cond_proj_dim"] = config.GuidanceEmbeddingWidth,
        ["time_embedding_dim"] = config.TimeEmbeddingWidth,
        ["transformer_layers_per_block"] = ConfigWriter.PerLevel(config.TransformerLayers),
        ["upcast_attention"] = config.UpcastAttention,
        ["use_linear_projection"] = config.UseLinearProjection,
    };

    // The number of heads stands under the wrong name, unless an exporter has written the right one too.
    private static int[] Heads(ConfigReader json, int levels)
    {
        int[] named = json.PerLevel("num_attention_heads", levels, 0);
        return named.Any(heads => heads != 0) ? named : json.PerLevel("attention_head_dim", levels, 8);
    }

    private static bool[] Attention(ConfigReader json, string key, string[] missing, string plain, string attending)
    {
        string[] types = json.List<string>(key) ?? missing;
        foreach (string type in types)
            if (type != plain) json.Require(key, type, attending);
        return [.. types.Select(type => type == attending)];
    }
}
