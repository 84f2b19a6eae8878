using Mural.Runtime;
using Mural.Samplers;
using Mural.Text;
using Mural.UNet;

namespace Mural.Pipelines;

/// <summary>A Stable Diffusion model in a diffusers folder.</summary>
internal sealed class StableDiffusionFolder : IStableDiffusionSource
{
    // What pipelines for these families are called; whatever else they do, they are made of the same components.
    private static readonly string[] Families = ["StableDiffusion", "LatentConsistencyModel"];

    // Pipelines whose names begin alike, but whose networks or components are others.
    private static readonly string[] Others =
        ["StableDiffusion3", "StableDiffusionUpscale", "StableDiffusionLatentUpscale", "StableDiffusionDepth2Img", "StableDiffusionImageVariation", "StableDiffusionInstructPix2Pix", "StableDiffusionXLInstructPix2Pix"];

    private readonly DiffusersFolder _folder;
    private readonly string? _variant;

    private StableDiffusionFolder(DiffusersFolder folder, string? variant)
    {
        _folder = folder;
        _variant = variant;
    }

    public string Name => _folder.Name;

    public bool ZerosForNoNegative => _folder.Flag("force_zeros_for_empty_prompt");

    // Folders saved before diffusers 0.9 state half the side.
    public int? SampleSize =>
        !_folder.Has("text_encoder_2") && Version.TryParse(_folder.Text("_diffusers_version")?.Split(".dev")[0], out Version? version) && version < new Version(0, 9) ? 64 : null;

    /// <exception cref="MuralException">The folder holds another kind of model.</exception>
    internal static StableDiffusionFolder Open(string path, string? variant)
    {
        DiffusersFolder folder = DiffusersFolder.Open(path);
        string name = folder.ClassName;
        bool known = Families.Any(family => name.StartsWith(family, StringComparison.Ordinal)) && !Others.Any(other => name.StartsWith(other, StringComparison.Ordinal));
        return known ? new StableDiffusionFolder(folder, variant)
            : throw new MuralException($"{path} holds a {name}, but only models of Stable Diffusion 1, 2 and XL can be painted with; give another folder.");
    }

    public SamplerOptions LoadSampling() => SamplerOptions.Load(_folder.Folder("scheduler"));

    public UNet2DConditionModel LoadUNet(RuntimePlan runtime)
    {
        var unet = UNet2DConditionModel.FromFolder(_folder.Folder("unet", nameof(UNet2DConditionModel)), runtime.Type, _variant, runtime.Device);
        unet.PrepareForInference(runtime.Kernels, runtime.Type);
        return unet;
    }

    public PictureCodec LoadAutoencoder(RuntimePlan runtime, long decodeMemory) =>
        PictureCodec.Load(_folder.Folder("vae", "AutoencoderKL", "AutoencoderTiny"), runtime, decodeMemory);

    public IReadOnlyList<TextStage> LoadTextEncoders(RuntimePlan runtime, bool sdxl)
    {
        // SDXL's refiner has the second encoder only.
        string[] ordinals = !sdxl ? [""] : _folder.Has("text_encoder") ? ["", "_2"] : ["_2"];
        var stages = new List<TextStage>();
        try
        {
            foreach (string ordinal in ordinals) stages.Add(LoadTextEncoder(ordinal, runtime, sdxl));
            return stages;
        }
        catch
        {
            foreach (TextStage stage in stages) stage.Encoder.Dispose();
            throw;
        }
    }

    private TextStage LoadTextEncoder(string ordinal, RuntimePlan runtime, bool sdxl)
    {
        ClipTokenizer tokenizer = ClipTokenizerFolder.Read(_folder.Folder("tokenizer" + ordinal));
        string folder = _folder.Folder("text_encoder" + ordinal, "CLIPTextModel", "CLIPTextModelWithProjection");
        var encoder = ClipTextEncoder.FromFolder(folder, runtime.Type, _variant, runtime.Device);
        encoder.PrepareForInference(runtime.Kernels, runtime.Type);
        return new TextStage(tokenizer, encoder, sdxl ? HiddenState.Penultimate : HiddenState.Last);
    }
}
