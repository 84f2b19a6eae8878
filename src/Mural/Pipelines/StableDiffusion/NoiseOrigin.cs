namespace Mural.Pipelines;

/// <summary>Which machine's random numbers a seed stands for (Stable Diffusion specification 9.5); they are computed anywhere.</summary>
public enum NoiseOrigin
{
    /// <summary>PyTorch's on a CPU: what diffusers paints with a CPU generator, and stable-diffusion-webui with its RNG set to CPU.</summary>
    Cpu,

    /// <summary>PyTorch's on an NVIDIA card: what most programs paint that run on one.</summary>
    Cuda,
}
