namespace Mural.HiDiffusion;

/// <summary>When RAU-Net's two resamplings are on: the values that the authors found for sizes and models (HiDiffusion specification 2.5).</summary>
public enum HiDiffusionPreset
{
    /// <summary>
    /// What suits the model and the size: <see cref="FewSteps"/> for models distilled to a few steps, else the one for the size. Pictures no larger than those that the model
    /// was trained on are not resampled, which would only harm them.
    /// </summary>
    Automatic,

    /// <summary>Stable Diffusion 1 and 2 up to 2048 pixels on the shorter side.</summary>
    Sides1024,

    /// <summary>Stable Diffusion 1 and 2 from 2048 pixels, and SDXL up to 4096, on the shorter side.</summary>
    Sides2048,

    /// <summary>SDXL from 4096 pixels on the shorter side.</summary>
    Sides4096,

    /// <summary>SDXL Turbo, and models of SDXL's family that are distilled likewise.</summary>
    FewSteps,
}
