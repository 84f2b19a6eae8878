namespace Mural.Checkpoints.SingleFile;

/// <summary>The families of Stable Diffusion that Mural runs.</summary>
internal enum ModelFamily
{
    /// <summary>1.x: one CLIP ViT-L text encoder, latents of 64x64.</summary>
    StableDiffusion1,

    /// <summary>2.x: one OpenCLIP ViT-H text encoder.</summary>
    StableDiffusion2,

    /// <summary>SDXL's base model: two text encoders, sizes and crops as conditions.</summary>
    StableDiffusionXL,

    /// <summary>SDXL's refiner: the larger text encoder alone, an aesthetic score as a condition.</summary>
    StableDiffusionXLRefiner,
}

/// <summary>Tells a checkpoint's family from its tensors' names and shapes (spec stable-diffusion.md 8.5).</summary>
internal static class ModelFamilies
{
    /// <summary>Width of the refiner's condition beside the text.</summary>
    internal const int RefinerConditions = 2560;

    private const string Conditions = "label_emb.0.0.weight";

    // Other models in the same kind of file, by a part of a name that only they have.
    private static readonly (string Mark, string Model)[] Foreign =
    [
        ("edm_mean", "Playground v2.5"),
        ("edm_vpred", "CosXL"),
        ("joint_blocks", "Stable Diffusion 3"),
        ("double_blocks", "Flux"),
        ("motion_modules", "AnimateDiff"),
        ("time_stack", "Stable Video Diffusion"),
        ("noise_augmentor", "Stable unCLIP"),
        ("input_blocks.10.0.skip_connection.bias", "the x4 upscaler"),
        ("control_model.", "a ControlNet"),
        ("input_hint_block", "a ControlNet"),
        ("controlnet_cond_embedding", "a ControlNet"),
        ("image_proj", "an IP-Adapter"),
        ("ip_adapter", "an IP-Adapter"),
        ("lora_", "a LoRA"),
    ];

    /// <summary>The family.</summary>
    /// <exception cref="MuralException">It is another model, or no UNet is among the tensors.</exception>
    internal static ModelFamily Detect(ITensorSource source)
    {
        IReadOnlyDictionary<string, TensorEntry> tensors = source.Tensors;
        foreach ((string mark, string model) in Foreign)
            if (tensors.Keys.Any(name => name.Contains(mark, StringComparison.Ordinal)) && !IsWhole(mark, tensors))
                throw new MuralException($"{source.Path} holds {model}, where a Stable Diffusion 1, 2 or XL checkpoint was expected; give one of these.");
        QuantizedWeights.Refuse(source);
        if (Has(source, "conditioner.embedders.1.")) return ModelFamily.StableDiffusionXL;
        // Where the refiner has its encoder, Stable Diffusion 2 has it in files of the later layout, such as SD Turbo's; only the refiner has conditions beside the text.
        bool openClip = Has(source, "conditioner.embedders.0.model.");
        if (openClip && Ending(source, Conditions) is not null) return ModelFamily.StableDiffusionXLRefiner;
        return OfUNet(
            source, openClip || Has(source, "cond_stage_model.model.") ? ModelFamily.StableDiffusion2 : Has(source, "cond_stage_model.transformer.") ? ModelFamily.StableDiffusion1 : null);
    }

    /// <summary>What people call a family.</summary>
    internal static string NameOf(ModelFamily family) => family switch
    {
        ModelFamily.StableDiffusion1 => "Stable Diffusion 1",
        ModelFamily.StableDiffusion2 => "Stable Diffusion 2",
        ModelFamily.StableDiffusionXL => "Stable Diffusion XL",
        _ => "Stable Diffusion XL refiner",
    };

    // A whole Stable Diffusion may carry a LoRA's or a ControlNet's name somewhere; the upscaler's mark is also a part of every whole UNet with four resolutions.
    private static bool IsWhole(string mark, IReadOnlyDictionary<string, TensorEntry> tensors) => mark switch
    {
        "input_blocks.10.0.skip_connection.bias" => !tensors.ContainsKey(SingleFileLayout.UNetPrefix + mark),
        "edm_mean" or "edm_vpred" or "joint_blocks" or "double_blocks" or "motion_modules" or "time_stack" or "noise_augmentor" => false,
        _ => tensors.ContainsKey(SingleFileLayout.UNetPrefix + "input_blocks.0.0.weight"),
    };

    // The shapes decide: of the condition's projection in SDXL, of the text's features in the others, whose text encoders some tools write under each other's names.
    private static ModelFamily OfUNet(ITensorSource source, ModelFamily? named)
    {
        TensorEntry? label = Ending(source, Conditions);
        if (named is null && label is { Shape: [_, var conditions] }) return conditions == RefinerConditions ? ModelFamily.StableDiffusionXLRefiner : ModelFamily.StableDiffusionXL;
        TensorEntry? key = Ending(source, "input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight") ?? Ending(source, "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight");
        return key?.Shape switch
        {
            [_, 768] => ModelFamily.StableDiffusion1,
            [_, 1024] => ModelFamily.StableDiffusion2,
            _ when named is { } family => family,
            [_, var features] => throw new MuralException(
                $"{source.Path} holds a UNet for text features of {features} channels; 768 (Stable Diffusion 1), 1024 (2) or a Stable Diffusion XL was expected."),
            _ => throw new MuralException($"{source.Path} {Instead(source)}."),
        };
    }

    // Parts of models are given in place of whole ones.
    private static string Instead(ITensorSource source)
    {
        if (Has(source, "down_blocks.0.resnets."))
            return "holds a UNet alone under diffusers' names; "
                + "put it into the folder unet of a model of its family as diffusion_pytorch_model.safetensors, and give that model's folder";
        if (Has(source, "first_stage_model.") || (Has(source, "encoder.") && Has(source, "decoder.")))
            return "holds an autoencoder alone, which goes beside a model with --vae; give a Stable Diffusion of version 1, 2 or XL";
        return $"holds no Stable Diffusion in the original layout: no tensor is called {SingleFileLayout.UNetPrefix}input_blocks...; give a checkpoint of version 1, 2 or XL";
    }

    private static bool Has(ITensorSource source, string beginning) => source.Tensors.Keys.Any(name => name.StartsWith(beginning, StringComparison.Ordinal));

    private static TensorEntry? Ending(ITensorSource source, string name) =>
        source.Tensors.Values.FirstOrDefault(entry => entry.Name.EndsWith(name, StringComparison.Ordinal));
}
