using System.Text.Json.Nodes;
using Mural.Checkpoints.SingleFile;

namespace Mural.Checkpoints.StableDiffusion;

/// <summary>What a family's published folders say beside their weights, for single files, which say nothing (spec stable-diffusion.md 1.1 and 1.2).</summary>
internal static class FamilySettings
{
    /// <summary>The version of diffusers whose folders are written.</summary>
    internal const string FormatVersion = "0.30.0";

    /// <summary>Side of the latents of models for 512 pixels.</summary>
    internal const int SmallSampleSize = 64;

    /// <summary>Channels of the UNet's input of models for inpainting: the latents, the mask, and the latents of what is around it.</summary>
    internal const int InpaintingChannels = 9;

    private const int MediumSampleSize = 96, LargeSampleSize = 128;

    /// <summary>Side of the latents that the family was trained on.</summary>
    /// <param name="family">The family.</param>
    /// <param name="velocity">Whether it predicts velocities: Stable Diffusion 2 for 512 pixels predicts noise, for 768 velocities.</param>
    internal static int SampleSize(ModelFamily family, bool velocity) => family switch
    {
        ModelFamily.StableDiffusion1 => SmallSampleSize,
        ModelFamily.StableDiffusion2 => velocity ? MediumSampleSize : SmallSampleSize,
        _ => LargeSampleSize,
    };

    /// <summary>What an encoded latent is multiplied by.</summary>
    internal static double ScalingFactor(ModelFamily family) => family >= ModelFamily.StableDiffusionXL ? 0.13025 : 0.18215;

    /// <summary>A <c>scheduler_config.json</c>. What the published ones leave out is left out, because other samplers then take their own defaults for it.</summary>
    /// <param name="family">The family.</param>
    /// <param name="velocity">Whether it predicts velocities.</param>
    /// <param name="zeroTerminalSnr">Whether it was trained with a last timestep of pure noise.</param>
    internal static JsonObject Scheduler(ModelFamily family, bool velocity, bool zeroTerminalSnr)
    {
        bool large = family >= ModelFamily.StableDiffusionXL;
        var json = new JsonObject
        {
            ["_class_name"] = large ? "EulerDiscreteScheduler" : family == ModelFamily.StableDiffusion2 && velocity ? "DDIMScheduler" : "PNDMScheduler",
            ["beta_end"] = 0.012,
            ["beta_schedule"] = "scaled_linear",
            ["beta_start"] = 0.00085,
            ["clip_sample"] = false,
            ["num_train_timesteps"] = 1000,
            ["set_alpha_to_one"] = false,
            ["skip_prk_steps"] = true,
            ["steps_offset"] = 1,
            ["trained_betas"] = null,
        };
        if (family != ModelFamily.StableDiffusion1 || velocity) json["prediction_type"] = velocity ? "v_prediction" : "epsilon";
        if (large) json["timestep_spacing"] = "leading";
        if (zeroTerminalSnr) json["rescale_betas_zero_snr"] = true;
        return json;
    }

    /// <summary>A <c>model_index.json</c>.</summary>
    /// <param name="family">The family.</param>
    /// <param name="inputs">Channels of the UNet's input.</param>
    /// <param name="components">Which components there are.</param>
    /// <param name="scheduler">Class of the scheduler.</param>
    internal static JsonObject Index(ModelFamily family, int inputs, IEnumerable<string> components, string scheduler)
    {
        bool inpainting = inputs == InpaintingChannels;
        string pipeline = family switch
        {
            ModelFamily.StableDiffusionXLRefiner => "StableDiffusionXLImg2ImgPipeline",
            ModelFamily.StableDiffusionXL => inpainting ? "StableDiffusionXLInpaintPipeline" : "StableDiffusionXLPipeline",
            _ => inpainting ? "StableDiffusionInpaintPipeline" : "StableDiffusionPipeline",
        };
        bool large = family >= ModelFamily.StableDiffusionXL;
        string[] there = [.. components];
        // Before 0.9 the format had networks of twice the sample size, and its inpainting pipeline insists on a version.
        var json = new JsonObject { ["_class_name"] = pipeline, ["_diffusers_version"] = FormatVersion };
        string[] absent = large ? ["feature_extractor", "image_encoder"] : ["feature_extractor", "image_encoder", "safety_checker"];
        foreach (string name in absent) json[name] = new JsonArray(null, null);
        json["scheduler"] = new JsonArray("diffusers", scheduler);
        AddText(SingleFileLayout.TextEncoder, "tokenizer", "CLIPTextModel");
        if (large) AddText(SingleFileLayout.SecondTextEncoder, "tokenizer_2", "CLIPTextModelWithProjection");
        json[SingleFileLayout.UNet] = new JsonArray("diffusers", "UNet2DConditionModel");
        json[SingleFileLayout.Autoencoder] = there.Contains(SingleFileLayout.Autoencoder) ? new JsonArray("diffusers", "AutoencoderKL") : new JsonArray(null, null);
        if (large) json["force_zeros_for_empty_prompt"] = family == ModelFamily.StableDiffusionXL;
        if (family == ModelFamily.StableDiffusionXLRefiner) json["requires_aesthetics_score"] = true;
        return json;

        void AddText(string encoder, string tokenizer, string type)
        {
            bool present = there.Contains(encoder);
            json[encoder] = present ? new JsonArray("transformers", type) : new JsonArray(null, null);
            json[tokenizer] = present ? new JsonArray("transformers", "CLIPTokenizer") : new JsonArray(null, null);
        }
    }
}
