using Mural.Autoencoders;
using Mural.Checkpoints.SingleFile;
using Mural.Layers.Clip;
using Mural.Text;
using Mural.UNet;

namespace Mural.Checkpoints.StableDiffusion;

/// <summary>
/// The architecture of networks whose checkpoint has no config: what shapes show is read off them, the rest is what all published models of the family have
/// (spec stable-diffusion.md 1.2).
/// </summary>
internal static class ShapeConfigs
{
    // Heads of Stable Diffusion 1 are as many at every level, those of its successors as wide; so are all of CLIP's.
    private const int HeadsOfFirst = 8, HeadWidth = 64;

    private const int SizeEmbeddingWidth = 256;

    /// <summary>Whether a network that has levels lacks the attention, or all, of its middle: networks that were made smaller for speed do.</summary>
    /// <param name="source">Its tensors under today's names.</param>
    internal static bool LacksMiddleAttention(ITensorSource source) =>
        Any(source, "down_blocks.0.resnets.0.") && Any(source, "down_blocks.1.resnets.0.") && !Any(source, "mid_block.attentions.");

    /// <summary>The UNet's.</summary>
    /// <param name="source">Its tensors under today's names.</param>
    /// <param name="family">What it belongs to.</param>
    /// <param name="sampleSize">Side of the latents that it was trained on.</param>
    /// <exception cref="MuralException">A tensor that every UNet has is missing, or the network is one that was made smaller.</exception>
    internal static UNetConfig UNet(ITensorSource source, ModelFamily family, int sampleSize)
    {
        if (LacksMiddleAttention(source))
            throw new MuralException(
                $"{source.Path} holds a UNet that was made smaller, without attention in its middle, as SSD-1B, Segmind Vega and BK-SDM, which is not supported; "
                + "give a model of full size.");
        int levels = Count(source, "down_blocks.");
        int[] channels = [.. Enumerable.Range(0, levels).Select(level => Size(source, $"down_blocks.{level}.resnets.0.conv1.weight", 0))];
        string attention = FirstOf(source, ".attentions.0.proj_in.weight");
        bool added = source.Tensors.ContainsKey("add_embedding.linear_1.weight");
        return new UNetConfig
        {
            InChannels = Size(source, "conv_in.weight", 1),
            OutChannels = Size(source, "conv_out.weight", 0),
            SampleSize = sampleSize,
            BlockOutChannels = channels,
            DownBlockAttention = [.. Enumerable.Range(0, levels).Select(level => Any(source, $"down_blocks.{level}.attentions."))],
            UpBlockAttention = [.. Enumerable.Range(0, levels).Select(level => Any(source, $"up_blocks.{level}.attentions."))],
            LayersPerBlock = [.. Enumerable.Range(0, levels).Select(level => Count(source, $"down_blocks.{level}.resnets."))],
            AttentionHeads = [.. channels.Select(width => family == ModelFamily.StableDiffusion1 ? HeadsOfFirst : Math.Max(1, width / HeadWidth))],
            TransformerLayers = [.. Enumerable.Range(0, levels).Select(level => Depth(source, level == levels - 1 ? "mid_block" : $"down_blocks.{level}"))],
            CrossAttentionWidth = Size(source, FirstOf(source, ".attn2.to_k.weight"), 1),
            UseLinearProjection = source.Tensors[attention].Shape.Length == 2,
            UpcastAttention = family == ModelFamily.StableDiffusion2 && sampleSize > FamilySettings.SmallSampleSize,
            TimeEmbeddingWidth = Size(source, "time_embedding.linear_1.weight", 0) is var width && width == 4 * channels[0] ? null : width,
            AddedEmbeddingWidth = added ? Size(source, "add_embedding.linear_1.weight", 1) : null,
            SizeEmbeddingWidth = added ? SizeEmbeddingWidth : null,
            GuidanceEmbeddingWidth = source.Tensors.ContainsKey("time_embedding.cond_proj.weight") ? Size(source, "time_embedding.cond_proj.weight", 1) : null,
        };
    }

    /// <summary>A ControlNet's.</summary>
    /// <param name="source">Its tensors under today's names.</param>
    /// <param name="unet">The UNet that it copies, for what shapes do not show, such as the number of heads.</param>
    /// <exception cref="MuralException">A tensor that every ControlNet has is missing.</exception>
    internal static ControlNetConfig ControlNet(ITensorSource source, UNetConfig unet)
    {
        const string Embedding = "controlnet_cond_embedding.";
        int levels = Count(source, "down_blocks.");
        int[] channels = [.. Enumerable.Range(0, levels).Select(level => Size(source, $"down_blocks.{level}.resnets.0.conv1.weight", 0))];
        bool[] attention = [.. Enumerable.Range(0, levels).Select(level => Any(source, $"down_blocks.{level}.attentions."))];
        bool added = source.Tensors.ContainsKey("add_embedding.linear_1.weight");
        return new ControlNetConfig
        {
            Network = unet with
            {
                InChannels = Size(source, "conv_in.weight", 1),
                BlockOutChannels = channels,
                DownBlockAttention = attention,
                UpBlockAttention = [.. attention.Reverse()],
                LayersPerBlock = [.. Enumerable.Range(0, levels).Select(level => Count(source, $"down_blocks.{level}.resnets."))],
                // Another family's network is refused for its channels.
                AttentionHeads = channels.SequenceEqual(unet.BlockOutChannels) ? unet.AttentionHeads : [.. channels.Select(_ => 1)],
                TransformerLayers = [.. Enumerable.Range(0, levels).Select(level => Depth(source, level == levels - 1 ? "mid_block" : $"down_blocks.{level}"))],
                CrossAttentionWidth = Size(source, FirstOf(source, ".attn2.to_k.weight"), 1),
                UseLinearProjection = source.Tensors[FirstOf(source, ".attentions.0.proj_in.weight")].Shape.Length == 2,
                TimeEmbeddingWidth = Size(source, "time_embedding.linear_1.weight", 0) is var width && width == 4 * channels[0] ? null : width,
                AddedEmbeddingWidth = added ? Size(source, "add_embedding.linear_1.weight", 1) : null,
                SizeEmbeddingWidth = added ? unet.SizeEmbeddingWidth ?? SizeEmbeddingWidth : null,
                GuidanceEmbeddingWidth = null,
            },
            ConditioningChannels = Size(source, Embedding + "conv_in.weight", 1),
            // Every second convolution widens.
            EmbeddingChannels =
            [
                Size(source, Embedding + "conv_in.weight", 0),
                .. Enumerable.Range(0, Count(source, Embedding + "blocks.") / 2).Select(i => Size(source, $"{Embedding}blocks.{2 * i + 1}.weight", 0)),
            ],
        };
    }

    /// <summary>The autoencoder's.</summary>
    /// <param name="source">Its tensors under today's names.</param>
    /// <param name="family">What it belongs to.</param>
    /// <param name="sampleSize">Side of the pictures that it was trained on.</param>
    /// <exception cref="MuralException">A tensor that every autoencoder has is missing.</exception>
    internal static AutoencoderConfig Autoencoder(ITensorSource source, ModelFamily family, int sampleSize)
    {
        int levels = Count(source, "encoder.down_blocks.");
        return new AutoencoderConfig
        {
            InChannels = Size(source, "encoder.conv_in.weight", 1),
            OutChannels = Size(source, "decoder.conv_out.weight", 0),
            LatentChannels = Size(source, "decoder.conv_in.weight", 1),
            BlockOutChannels = [.. Enumerable.Range(0, levels).Select(level => Size(source, $"encoder.down_blocks.{level}.resnets.0.conv1.weight", 0))],
            LayersPerBlock = Count(source, "encoder.down_blocks.0.resnets."),
            MidBlockAttention = Any(source, "encoder.mid_block.attentions."),
            UseQuantConv = Any(source, "quant_conv."),
            UsePostQuantConv = Any(source, "post_quant_conv."),
            ScalingFactor = FamilySettings.ScalingFactor(family),
            SampleSize = sampleSize,
        };
    }

    /// <summary>A text encoder's.</summary>
    /// <param name="source">Its tensors under today's names.</param>
    /// <param name="openClip">Whether it is one of OpenCLIP's, which have another activation than OpenAI's.</param>
    /// <param name="projected">Whether its pooled vector is projected.</param>
    /// <exception cref="MuralException">A tensor that every text encoder has is missing.</exception>
    internal static ClipTextConfig Text(ITensorSource source, bool openClip, bool projected)
    {
        int vocabulary = Size(source, "text_model.embeddings.token_embedding.weight", 0), width = Size(source, "text_model.embeddings.token_embedding.weight", 1);
        return new ClipTextConfig
        {
            VocabularySize = vocabulary,
            EndToken = ClipTextConfig.EndOf(vocabulary),
            Positions = Size(source, "text_model.embeddings.position_embedding.weight", 0),
            ProjectionSize = projected ? Size(source, "text_projection.weight", 0) : null,
            Transformer = new ClipTransformerConfig
            {
                Layers = Count(source, "text_model.encoder.layers."),
                Width = width,
                Heads = Math.Max(1, width / HeadWidth),
                Inner = Size(source, "text_model.encoder.layers.0.mlp.fc1.weight", 0),
                Activation = openClip ? ClipActivation.Gelu : ClipActivation.QuickGelu,
            },
        };
    }

    private static int Depth(ITensorSource source, string block) => Math.Max(1, Count(source, $"{block}.attentions.0.transformer_blocks."));

    private static bool Any(ITensorSource source, string beginning) => source.Tensors.Keys.Any(name => name.StartsWith(beginning, StringComparison.Ordinal));

    // How many numbers from 0 on follow these letters.
    private static int Count(ITensorSource source, string beginning)
    {
        int count = 0;
        while (Any(source, $"{beginning}{count}.")) count++;
        return count;
    }

    private static string FirstOf(ITensorSource source, string ending) =>
        source.Tensors.Keys.FirstOrDefault(name => name.EndsWith(ending, StringComparison.Ordinal)) ?? throw Lacking(source, "*" + ending);

    private static int Size(ITensorSource source, string name, int dimension) =>
        source.Tensors.TryGetValue(name, out TensorEntry? entry) && entry.Shape.Length > dimension && entry.Shape[dimension] <= int.MaxValue
            ? (int)entry.Shape[dimension]
            : throw Lacking(source, name);

    private static MuralException Lacking(ITensorSource source, string name) =>
        new($"{source.Path} lacks the tensor {name}, or has it in an impossible shape, so that its sizes cannot be told; give a complete checkpoint.");
}
