using Mural.UNet;

namespace Mural.LinFusion;

/// <summary>One replaced self-attention.</summary>
/// <param name="Name">Its path in the UNet, with diffusers' names.</param>
/// <param name="Width">Channels of its tokens.</param>
/// <param name="Heads">Attention heads.</param>
/// <param name="ProjectionWidth">Width of the perceptrons before queries and keys: null or 0 for that of the tokens, -1 for none.</param>
internal sealed record LinFusionModule(string Name, int Width, int Heads, int? ProjectionWidth)
{
    /// <summary><see cref="ProjectionWidth"/> of attentions without perceptrons.</summary>
    internal const int WithoutMlp = -1;

    /// <summary>Tokens that it is trained at, where its weights depend on that.</summary>
    internal long? TrainingTokens { get; init; }

    /// <summary>Width of the perceptrons, or null for none.</summary>
    internal int? MlpWidth => ProjectionWidth switch { null or 0 => Width, WithoutMlp => null, var width => width };
}

/// <summary>Which self-attentions of a UNet are replaced, in the order in which a checkpoint numbers them (spec 2.2).</summary>
internal sealed record LinFusionConfig(IReadOnlyList<LinFusionModule> Modules)
{
    private const string Suffix = ".attn1";

    /// <summary>What takes their place.</summary>
    internal LinearMixer Mixer { get; init; }

    /// <summary>Whether queries and keys of a mixer have perceptrons before them.</summary>
    internal static bool HasMlp(LinearMixer mixer) => mixer is LinearMixer.LinFusion or LinearMixer.UnnormalizedLinearAttention or LinearMixer.CausalLinearAttention;

    /// <summary>Reads a checkpoint's <c>config.json</c>, in today's form or that of the first releases.</summary>
    /// <param name="path">The file, or the folder that holds it.</param>
    /// <exception cref="MuralException">The file is missing or describes something else.</exception>
    internal static LinFusionConfig Read(string path) => LinFusionConfigJson.Read(path);

    /// <summary>All self-attentions of a UNet: the way down, the way up, the middle (spec 1.6).</summary>
    /// <param name="config">The UNet's architecture.</param>
    /// <param name="divisor">How many times narrower than the tokens the perceptrons are: 1 in the releases for Stable Diffusion 1 and 2, 16 in that for SDXL.</param>
    /// <param name="mixer">What takes their place.</param>
    /// <param name="side">Height and width of the latents that they are trained at; only mixers that depend on the number of tokens need it.</param>
    internal static LinFusionConfig For(UNetConfig config, int divisor = 1, LinearMixer mixer = LinearMixer.LinFusion, int side = 0)
    {
        int last = config.BlockOutChannels.Count - 1;
        var modules = new List<LinFusionModule>();
        void Add(string block, int level, int count)
        {
            for (int attention = 0; attention < count; attention++)
            {
                for (int layer = 0; layer < config.TransformerLayers[level]; layer++)
                {
                    int width = config.BlockOutChannels[level];
                    int? projection = !HasMlp(mixer) ? LinFusionModule.WithoutMlp : divisor == 1 ? null : Math.Max(width / divisor, 1);
                    // Every level halves the map, rounding up.
                    long rows = (side + (1 << level) - 1) >> level;
                    modules.Add(new LinFusionModule(NameOf($"{block}.attentions.{attention}.transformer_blocks.{layer}"), width, config.AttentionHeads[level], projection)
                    {
                        TrainingTokens = mixer == LinearMixer.UnnormalizedLinearAttention ? rows * rows : null,
                    });
                }
            }
        }
        for (int level = 0; level <= last; level++)
            if (config.DownBlockAttention[level]) Add($"down_blocks.{level}", level, config.LayersPerBlock[level]);
        for (int block = 0; block <= last; block++)
            if (config.UpBlockAttention[block]) Add($"up_blocks.{block}", last - block, config.LayersPerBlock[last - block] + 1);
        Add("mid_block", last, 1);
        return new LinFusionConfig(modules) { Mixer = mixer };
    }

    /// <summary>A checkpoint's name for the self-attention of a transformer block.</summary>
    internal static string NameOf(string block) => block + Suffix;

    /// <summary>The text of a checkpoint's <c>config.json</c>, to the byte as the official code writes it.</summary>
    internal string ToJson() => LinFusionConfigJson.Write(this);
}
