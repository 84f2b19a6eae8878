using Mural.Checkpoints;
using Mural.DiM;
using Mural.LinFusion;

namespace Mural.Cli.Inspection;

/// <summary>Tells by the names and shapes of a checkpoint's tensors what kind of model it is for.</summary>
internal static class CheckpointFamily
{
    // The first whose tensors are all there counts, so that the more particular come first.
    private static readonly (string Family, string[] Tensors)[] Known =
    [
        ("Stable Diffusion, single file", ["model.diffusion_model.input_blocks.0.0.weight"]),
        ("AutoencoderKL", ["encoder.conv_in.weight", "decoder.conv_in.weight"]),
        ("AutoencoderKL, with a prefix", ["first_stage_model.encoder.conv_in.weight"]),
        ("AutoencoderTiny", ["encoder.layers.0.weight", "decoder.layers.0.weight"]),
        ("ControlNet", ["controlnet_cond_embedding.conv_in.weight"]),
        ("UNet2DConditionModel", ["conv_in.weight", "time_embedding.linear_1.weight", "mid_block.resnets.0.norm1.weight"]),
        ("CLIP text encoder", ["text_model.embeddings.token_embedding.weight"]),
        ("judge of pictures and words", ["pictures.conv_in.weight", "words.embedding.weight", "logit_scale"]),
        ("CLIP image encoder", ["vision_model.embeddings.class_embedding"]),
    ];

    private static readonly (string Name, DiMConfig Config)[] Sizes =
    [
        ("DiM-S", DiMConfig.Small), ("DiM-L", DiMConfig.Large), ("DiM-H", DiMConfig.Huge),
    ];

    /// <summary>The family's name, or null where none is recognised.</summary>
    internal static string? Guess(ITensorSource source)
    {
        if (source.Tensors.ContainsKey("transformer_blocks.0.attn1.A_log") && source.Tensors.ContainsKey("pos_embed.proj.weight"))
            return DescribeDiM(DiMConfig.FromCheckpoint(source));
        return Known.FirstOrDefault(known => known.Tensors.All(source.Tensors.ContainsKey)).Family ?? LinFusionSummary.Describe(source);
    }

    private static string DescribeDiM(DiMConfig config)
    {
        string size = Sizes.FirstOrDefault(known => (known.Config.Width, known.Config.Blocks) == (config.Width, config.Blocks)).Name ?? "DiM";
        return $"{size}: width {config.Width}, {config.Blocks} blocks, {config.Classes} labels, input {config.InChannels}x{config.SampleSize}x{config.SampleSize}";
    }
}
