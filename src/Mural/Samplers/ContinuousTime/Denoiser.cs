using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// What a sampler knows of a network: the noise in <paramref name="x"/> <c>[B, C, H, W]</c> at solver time <paramref name="time"/> in (0, 1], of the
/// same shape. Guidance and upsampling are denoisers that wrap a denoiser. The result belongs to the sampler, which disposes of it.
/// </summary>
public delegate Tensor Denoiser(Tensor x, double time);
