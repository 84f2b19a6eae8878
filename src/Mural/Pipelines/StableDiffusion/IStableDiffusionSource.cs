using Mural.Runtime;
using Mural.Samplers;
using Mural.Text;
using Mural.UNet;

namespace Mural.Pipelines;

/// <summary>Where the parts of a Stable Diffusion model come from: a folder as diffusers keeps it, or another layout.</summary>
internal interface IStableDiffusionSource
{
    /// <summary>What people call the model.</summary>
    string Name { get; }

    /// <summary>Whether a missing negative prompt stands for zeros rather than for an empty text.</summary>
    bool ZerosForNoNegative { get; }

    /// <summary>Side of the latents that it was trained on, where the UNet's config is known to be wrong about it.</summary>
    int? SampleSize { get; }

    /// <summary>How it is sampled.</summary>
    SamplerOptions LoadSampling();

    UNet2DConditionModel LoadUNet(RuntimePlan runtime);

    PictureCodec LoadAutoencoder(RuntimePlan runtime, long decodeMemory);

    /// <summary>The text encoders in the order in which their vectors lie side by side, ready for inference.</summary>
    /// <param name="runtime">On what they run.</param>
    /// <param name="sdxl">Whether the UNet is one of the SDXL family, which attends to another layer.</param>
    IReadOnlyList<TextStage> LoadTextEncoders(RuntimePlan runtime, bool sdxl);
}
