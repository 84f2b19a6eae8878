using Mural.Adapters.Lora;
using Mural.Checkpoints.SingleFile;
using Mural.Checkpoints.StableDiffusion;
using Mural.Layers;
using Mural.Runtime;
using Mural.Samplers;
using Mural.Text;
using Mural.UNet;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>A Stable Diffusion model, loaded and ready for inference.</summary>
internal sealed class StableDiffusionParts : IDisposable
{
    private const int UsualSampleSize = 64;

    private readonly bool _ownsCodec;
    private readonly IReadOnlyList<string> _mergedWarnings;
    private IReadOnlyList<string> _exchangedWarnings = [];

    private StableDiffusionParts(
        StableDiffusionSource source, StableDiffusionCheckpoint checkpoint, UNet2DConditionModel unet, PictureCodec codec, bool ownsCodec, TextEncoders texts, RuntimePlan runtime)
    {
        UNet = unet;
        Codec = codec;
        _ownsCodec = ownsCodec;
        Texts = texts;
        texts.OnLoaded = AddLoras;
        Runtime = runtime;
        Sampling = source.Sampling(checkpoint);
        Doubt = source.Doubt(checkpoint);
        _mergedWarnings = source.LoraWarnings;
        SizeNumbers = CountSizeNumbers(unet.Config, texts.PooledWidth);
        ZerosForNoNegative = checkpoint.ZerosForNoNegative;
        Files = source.Files();
        Info = Describe(source.Name, checkpoint.Family, DiffusersIndex.Parse(checkpoint.Index, checkpoint.Path)) with { LinFusion = source.LinFusionName };
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

    /// <summary>Which files it was loaded from.</summary>
    internal IReadOnlyList<string> Files { get; }

    /// <summary>Whether the model was distilled to a few steps.</summary>
    internal bool TakesFewSteps => IsDistilled(Sampling) || UNet.Config.GuidanceEmbeddingWidth is not null;

    /// <summary>The LoRAs that are in the model now, beside those that were merged while it was loaded.</summary>
    internal IReadOnlyList<StableDiffusionLora> Loras { get; private set; } = [];

    /// <summary>What is not used of all its LoRAs.</summary>
    internal IEnumerable<string> LoraWarnings => _mergedWarnings.Union(_exchangedWarnings);

    /// <summary>Memory of the process with the model loaded, in bytes.</summary>
    internal long ResidentBytes { get; private set; }

    /// <summary>Bytes of the text encoders, about; they are freed after use unless they are kept.</summary>
    internal double TextBytes => Texts.Bytes;

    /// <summary>Bytes of the network's weights without <see cref="Loras"/>, which are kept of the layers that these change.</summary>
    internal long KeptBytes { get; private set; }

    /// <summary>The same of the text encoders, with which they come and go.</summary>
    internal long KeptTextBytes { get; private set; }

    /// <summary>What may have been taken for granted wrongly, or null.</summary>
    internal string? Doubt { get; }

    /// <summary>Loads a model.</summary>
    /// <param name="path">A folder or a file.</param>
    /// <param name="options">How.</param>
    /// <param name="runtime">On what.</param>
    /// <param name="shared">The autoencoder of another model, which stays its own, in place of this one's; null for its own.</param>
    /// <exception cref="MuralException">A part is missing, malformed or does not fit the others.</exception>
    internal static StableDiffusionParts Load(string path, StableDiffusionOptions options, RuntimePlan runtime, PictureCodec? shared = null)
    {
        var source = new StableDiffusionSource(path, options, runtime);
        using StableDiffusionCheckpoint checkpoint = source.Open();
        using var loaded = new PartialLoad();
        UNet2DConditionModel unet = loaded.Add(source.LoadUNet(checkpoint));
        PictureCodec codec = shared ?? loaded.Add(source.LoadAutoencoder(checkpoint));
        TextEncoders texts = loaded.Add(new TextEncoders(source.LoadTextEncoders, options));
        Require(path, unet.Config, codec, texts);
        var parts = new StableDiffusionParts(source, checkpoint, unet, codec, shared is null, texts, runtime);
        loaded.Complete();
        Allocator.Trim();
        parts.ResidentBytes = SystemMemory.Read().Resident;
        return parts;
    }

    /// <summary>What the network is told of a request's prompts.</summary>
    internal TextTimeline Encode(StableDiffusionPlan plan) => Texts.Use(encoder =>
        new TextConditioner(encoder, SizeNumbers, ZerosForNoNegative, secondOnly: SizeNumbers == SizeConditioning.NumbersOfRefiner).Encode(plan));

    /// <summary>Gives the model these LoRAs in place of those that it has; without any, it is as it was loaded.</summary>
    /// <exception cref="MuralException">One of them cannot be read or does not fit; the model keeps those that it has.</exception>
    internal void Exchange(IReadOnlyList<StableDiffusionLora> loras)
    {
        using var open = new OpenLoras(loras);
        IReadOnlyList<StableDiffusionLora> before = Loras;
        bool loaded = Texts.AreLoaded;
        try
        {
            // Text encoders that are loaded for this come without the ones before.
            Loras = [];
            IReadOnlyList<TextStage> stages = Texts.Stages;
            new LoraMerge(new Dictionary<string, nn.Module>(Named(stages)) { [SingleFileLayout.UNet] = UNet }).Apply(open.Weighted);
            (KeptBytes, KeptTextBytes) = (WeightedLayer.KeptBytes(UNet), stages.Sum(stage => WeightedLayer.KeptBytes(stage.Encoder)));
            Loras = [.. loras];
            _exchangedWarnings = open.Warnings;
        }
        catch
        {
            Loras = before;
            if (!loaded) Texts.Dispose();
            throw;
        }
        Allocator.Trim();
    }

    public void Dispose()
    {
        UNet.Dispose();
        if (_ownsCodec) Codec.Dispose();
        Texts.Dispose();
    }

    private static IEnumerable<KeyValuePair<string, nn.Module>> Named(IReadOnlyList<TextStage> stages) =>
        stages.Select(stage => KeyValuePair.Create(stage.Name, (nn.Module)stage.Encoder));

    // Text encoders that come back know nothing of the LoRAs that the UNet has.
    private void AddLoras(IReadOnlyList<TextStage> stages)
    {
        if (Loras.Count == 0) return;
        using var open = new OpenLoras(Loras);
        new LoraMerge(new Dictionary<string, nn.Module>(Named(stages)), [SingleFileLayout.UNet]).Apply(open.Weighted);
    }

    private static bool IsXL(UNetConfig config) => config.AddedEmbeddingWidth is not null;

    // What the pooled text leaves of the width.
    private static int CountSizeNumbers(UNetConfig config, int pooledWidth) =>
        config.SizeEmbeddingWidth is { } width && config.AddedEmbeddingWidth is { } added ? (added - pooledWidth) / width : 0;

    private static void Require(string path, UNetConfig unet, PictureCodec codec, TextEncoders texts)
    {
        if (texts.ContextWidth != unet.CrossAttentionWidth)
            throw new MuralException(
                $"The text encoders of {path} give vectors of {texts.ContextWidth} features, but its UNet takes {unet.CrossAttentionWidth}; use parts that belong together.");
        if (IsXL(unet) && (CountSizeNumbers(unet, texts.PooledWidth) is not (SizeConditioning.Numbers or SizeConditioning.NumbersOfRefiner)
            || texts.PooledWidth + CountSizeNumbers(unet, texts.PooledWidth) * unet.SizeEmbeddingWidth != unet.AddedEmbeddingWidth))
            throw new MuralException($"The UNet of {path} takes {unet.AddedEmbeddingWidth} values of pooled text and sizes, "
                + $"which does not suit its text encoder's {texts.PooledWidth}; use parts that belong together.");
        int latent = codec.LatentChannels;
        if (unet.OutChannels != latent || (unet.InChannels != latent && unet.InChannels != 2 * latent + 1))
            throw new MuralException($"The UNet of {path} takes {unet.InChannels} channels and gives {unet.OutChannels}, "
                + $"but with latents of {latent} channels it must take {latent}, or {2 * latent + 1} for inpainting; use another model.");
    }

    private StableDiffusionModelInfo Describe(string name, ModelFamily family, DiffusersIndex index)
    {
        UNetConfig config = UNet.Config;
        // Some folders saved before diffusers 0.9 state half the side.
        bool halved = family < ModelFamily.StableDiffusionXL && config.SampleSize < UsualSampleSize
            && Version.TryParse(index.Text("_diffusers_version")?.Split(".dev")[0], out Version? version) && version < new Version(0, 9);
        return new StableDiffusionModelInfo
        {
            Name = name,
            Family = ModelFamilies.NameOf(family),
            IsXL = family >= ModelFamily.StableDiffusionXL,
            LayersLeftOut = family >= ModelFamily.StableDiffusion2 ? 1 : 0,
            Side = (halved ? UsualSampleSize : config.SampleSize ?? UsualSampleSize) * Codec.Downscale,
            Multiple = Codec.Downscale,
            // Models trained here say what suits them.
            Steps = (int?)index.Positive(DiffusersIndex.Steps) ?? (TakesFewSteps ? 4 : 50),
            Guidance = index.Positive(DiffusersIndex.Guidance) ?? (config.GuidanceEmbeddingWidth is not null ? 8.5 : TakesFewSteps ? 1 : SizeNumbers > 0 ? 5 : 7.5),
            Inpaints = config.InChannels > Codec.LatentChannels,
        };
    }

    // SD and SDXL Turbo: no other published model of noise prediction spaces its timesteps from the end.
    private static bool IsDistilled(SamplerOptions sampling) =>
        sampling is { TimestepSpacing: TimestepSpacing.Trailing, PredictionType: PredictionType.Epsilon, Sampler: SamplerKind.Euler or SamplerKind.EulerAncestral };
}
