using Mural.Adapters;
using Mural.Adapters.Lora;
using Mural.Checkpoints;
using Mural.Checkpoints.SingleFile;
using Mural.DiM;
using Mural.LinFusion;
using Mural.Text;

namespace Mural.Cli.Inspection;

/// <summary>Tells by the names and shapes of a checkpoint's tensors what kind of model it is for.</summary>
internal static class CheckpointFamily
{
    // The first whose tensors are all there counts, so that the more particular come first.
    private static readonly (string Family, string[] Tensors)[] Known =
    [
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
        return DescribeOriginal(source) ?? Known.FirstOrDefault(known => known.Tensors.All(source.Tensors.ContainsKey)).Family ?? LinFusionSummary.Describe(source)
            ?? (IpAdapter.Is(source) ? "IP-Adapter" : null) ?? LoraFile.KindOf(source) ?? TextualInversion.Describe(source);
    }

    // Networks under the names of the original code: ControlNets, whole models and UNets alone.
    private static string? DescribeOriginal(ITensorSource source)
    {
        bool Has(string beginning) => source.Tensors.Keys.Any(name => name.StartsWith(beginning, StringComparison.Ordinal));
        bool unet = SingleFileLayout.UNetPrefixes.Append("").Any(prefix => source.Tensors.ContainsKey(prefix + "input_blocks.0.0.weight"));
        if (Has(ControlNetNames.Prefix + ControlNetNames.Hint) || Has(ControlNetNames.Hint))
            return $"ControlNet, original layout{(Has(SingleFileLayout.UNetPrefix) ? ", with its model" : "")}";
        if (!unet) return null;
        bool whole = Has("first_stage_model.") || Has("vae.") || Has("cond_stage_model.") || Has("conditioner.");
        // What Mural cannot run is a Stable Diffusion all the same where it is called so.
        string? version = Version(source) ?? (Has(SingleFileLayout.UNetPrefix) ? "Stable Diffusion" : null);
        return version is null ? null : $"{version}, {(whole ? "single file" : "UNet alone in the original layout")}";
    }

    private static string? Version(ITensorSource source)
    {
        try
        {
            return ModelFamilies.NameOf(ModelFamilies.Detect(source));
        }
        catch (MuralException)
        {
            return null;
        }
    }

    private static string DescribeDiM(DiMConfig config)
    {
        string size = Sizes.FirstOrDefault(known => (known.Config.Width, known.Config.Blocks) == (config.Width, config.Blocks)).Name ?? "DiM";
        return $"{size}: width {config.Width}, {config.Blocks} blocks, {config.Classes} labels, input {config.InChannels}x{config.SampleSize}x{config.SampleSize}";
    }
}
