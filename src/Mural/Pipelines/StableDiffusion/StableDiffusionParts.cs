using Mural.Runtime;
using Mural.Samplers;
using Mural.UNet;

namespace Mural.Pipelines;

/// <summary>A Stable Diffusion model, loaded and ready for inference.</summary>
internal sealed class StableDiffusionParts : IDisposable
{
    // Numbers that the SDXL family is told of a picture's size, and its refiner.
    private const int SizeNumbersOfBase = 6, SizeNumbersOfRefiner = 5;

    private StableDiffusionParts(IStableDiffusionSource source, UNet2DConditionModel unet, PictureCodec codec, TextEncoders texts, RuntimePlan runtime)
    {
        UNet = unet;
        Codec = codec;
        Texts = texts;
        Runtime = runtime;
        ZerosForNoNegative = source.ZerosForNoNegative;
        SamplerOptions sampling = source.LoadSampling();
        Sampling = IsXL(unet.Config) ? sampling : sampling.RepairForStableDiffusion();
        SizeNumbers = CountSizeNumbers(unet.Config, texts.PooledWidth);
        Info = Describe(source);
    }

    internal UNet2DConditionModel UNet { get; }

    internal PictureCodec Codec { get; }

    internal TextEncoders Texts { get; }

    internal SamplerOptions Sampling { get; }

    internal RuntimePlan Runtime { get; }

    internal bool ZerosForNoNegative { get; }

    /// <summary>How many numbers the network is told of a picture's size: 0 before SDXL.</summary>
    internal int SizeNumbers { get; }

    internal StableDiffusionModelInfo Info { get; }

    /// <exception cref="MuralException">A part is missing, malformed or does not fit the others.</exception>
    internal static StableDiffusionParts Load(string path, StableDiffusionOptions options, RuntimePlan runtime)
    {
        var source = StableDiffusionFolder.Open(path, options.Variant);
        var loaded = new List<IDisposable>();
        try
        {
            UNet2DConditionModel unet = Loaded(source.LoadUNet(runtime));
            PictureCodec codec = Loaded(options.Autoencoder is { } folder ? PictureCodec.Load(folder, runtime, options.DecodeMemory) : source.LoadAutoencoder(runtime, options.DecodeMemory));
            TextEncoders texts = Loaded(new TextEncoders(() => source.LoadTextEncoders(runtime, IsXL(unet.Config)), options));
            Require(path, unet.Config, codec, texts);
            return new StableDiffusionParts(source, unet, codec, texts, runtime);
        }
        catch
        {
            foreach (IDisposable part in loaded) part.Dispose();
            throw;
        }

        T Loaded<T>(T part) where T : IDisposable
        {
            loaded.Add(part);
            return part;
        }
    }

    /// <summary>What the network is told of a request's prompts.</summary>
    internal TextTimeline Encode(StableDiffusionPlan plan) => Texts.Use(encoder => new TextConditioner(encoder, SizeNumbers, ZerosForNoNegative).Encode(plan));

    public void Dispose()
    {
        UNet.Dispose();
        Codec.Dispose();
        Texts.Dispose();
    }

    private static bool IsXL(UNetConfig config) => config.AddedEmbeddingWidth is not null;

    // What the pooled text leaves of the width.
    private static int CountSizeNumbers(UNetConfig config, int pooledWidth) =>
        config.SizeEmbeddingWidth is { } width && config.AddedEmbeddingWidth is { } added ? (added - pooledWidth) / width : 0;

    private static void Require(string path, UNetConfig unet, PictureCodec codec, TextEncoders texts)
    {
        if (texts.ContextWidth != unet.CrossAttentionWidth)
            throw new MuralException($"The text encoders of {path} give vectors of {texts.ContextWidth} features, but its UNet takes {unet.CrossAttentionWidth}; use parts that belong together.");
        if (IsXL(unet) && (CountSizeNumbers(unet, texts.PooledWidth) is not (SizeNumbersOfBase or SizeNumbersOfRefiner)
            || texts.PooledWidth + CountSizeNumbers(unet, texts.PooledWidth) * unet.SizeEmbeddingWidth != unet.AddedEmbeddingWidth))
            throw new MuralException($"The UNet of {path} takes {unet.AddedEmbeddingWidth} values of pooled text and sizes, which does not suit its text encoder's {texts.PooledWidth}; use parts that belong together.");
        int latent = codec.LatentChannels;
        if (unet.OutChannels != latent || (unet.InChannels != latent && unet.InChannels != 2 * latent + 1))
            throw new MuralException($"The UNet of {path} takes {unet.InChannels} channels and gives {unet.OutChannels}, but with latents of {latent} channels it must take {latent}, or {2 * latent + 1} for inpainting; use another model.");
    }

    private StableDiffusionModelInfo Describe(IStableDiffusionSource source)
    {
        UNetConfig config = UNet.Config;
        bool distilled = IsDistilled(Sampling);
        return new StableDiffusionModelInfo
        {
            Name = source.Name,
            Family = SizeNumbers switch
            {
                SizeNumbersOfBase => "Stable Diffusion XL",
                SizeNumbersOfRefiner => "Stable Diffusion XL refiner",
                _ => config.UseLinearProjection ? "Stable Diffusion 2" : "Stable Diffusion 1",
            },
            Side = (source.SampleSize ?? config.SampleSize ?? 64) * Codec.Downscale,
            Multiple = Codec.Downscale,
            Steps = distilled || config.GuidanceEmbeddingWidth is not null ? 4 : 50,
            Guidance = config.GuidanceEmbeddingWidth is not null ? 8.5 : distilled ? 1 : SizeNumbers > 0 ? 5 : 7.5,
            Inpaints = config.InChannels > Codec.LatentChannels,
        };
    }

    // SD and SDXL Turbo: no other published model of noise prediction spaces its timesteps from the end.
    private static bool IsDistilled(SamplerOptions sampling) =>
        sampling is { TimestepSpacing: TimestepSpacing.Trailing, PredictionType: PredictionType.Epsilon, Sampler: SamplerKind.Euler or SamplerKind.EulerAncestral };
}
