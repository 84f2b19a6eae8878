using Mural.UNet;

namespace Mural.Tests.UNet;

/// <summary>Small networks with random weights, and what the tests feed them.</summary>
internal static class TinyUNets
{
    internal const int ContextWidth = 12, Tokens = 7;

    /// <summary>Like Stable Diffusion 1.5, with two levels.</summary>
    internal static readonly UNetConfig Plain = new()
    {
        BlockOutChannels = [16, 32],
        DownBlockAttention = [true, false],
        UpBlockAttention = [false, true],
        LayersPerBlock = [1, 1],
        AttentionHeads = [2, 4],
        TransformerLayers = [1, 1],
        CrossAttentionWidth = ContextWidth,
        NormGroupCount = 8,
    };

    /// <summary>Like SDXL, with two levels.</summary>
    internal static readonly UNetConfig Sized = Plain with
    {
        DownBlockAttention = [false, true],
        UpBlockAttention = [true, false],
        TransformerLayers = [1, 2],
        UseLinearProjection = true,
        SizeEmbeddingWidth = 4,
        AddedEmbeddingWidth = 10 + 6 * 4,
    };

    /// <summary>One configuration for each thing that a config can ask for beyond those of the goldens.</summary>
    internal static readonly Dictionary<string, UNetConfig> Variants = new()
    {
        ["plain"] = Plain,
        ["sized"] = Sized,
        ["inpainting"] = Plain with { InChannels = 9 },
        ["refiner"] = Sized with { AddedEmbeddingWidth = 10 + 5 * 4, TransformerLayers = [2, 2] },
        ["distilled"] = Plain with { GuidanceEmbeddingWidth = 8 },
        ["three levels"] = Plain with
        {
            BlockOutChannels = [16, 32, 48],
            DownBlockAttention = [true, true, false],
            UpBlockAttention = [false, true, true],
            LayersPerBlock = [1, 3, 2],
            AttentionHeads = [1, 2, 3],
            TransformerLayers = [2, 1, 3],
        },
        ["far sides"] = Plain with { DownsamplePadding = 0 },
        ["everything else"] = Plain with
        {
            OutChannels = 6,
            MidBlockScaleFactor = 1.5,
            CenterInputSample = true,
            TimeEmbeddingWidth = 24,
            FlipSinToCos = false,
            FrequencyShift = 1,
            NormEpsilon = 1e-4,
        },
    };

    internal static UNet2DConditionModel Network(UNetConfig? config = null)
    {
        manual_seed(5);
        return new UNet2DConditionModel(config ?? Plain);
    }

    /// <summary>Conditions of every kind that the config asks for, for <paramref name="batch"/> latents.</summary>
    internal static UNetConditioning Conditioning(UNetConfig config, int batch = 2)
    {
        using var generator = new Generator(2);
        Tensor Normal(params long[] shape) => randn(shape, generator: generator);
        var conditioning = new UNetConditioning(Normal(batch, Tokens, config.CrossAttentionWidth))
        {
            GuidanceScale = config.GuidanceEmbeddingWidth is null ? null : 7.5,
        };
        if (config.AddedEmbeddingWidth is not { } width) return conditioning;
        const int Pooled = 10;
        return conditioning with
        {
            PooledText = Normal(batch, Pooled),
            SizeNumbers = (Normal(batch, (width - Pooled) / config.SizeEmbeddingWidth!.Value) * 100).round(),
        };
    }

    internal static Tensor Latents(UNetConfig config, int height, int width, int batch = 2)
    {
        using var generator = new Generator(1);
        return randn([batch, config.InChannels, height, width], generator: generator);
    }

    internal static Tensor Times(params double[] times) => tensor(times);
}
