using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// What a sampler reports after each network evaluation: enough for a progress bar and a preview. The tensors are the sampler's own and live
/// only while the callback runs, and so do tensors made in the callback unless they are detached from their dispose scope.
/// </summary>
/// <param name="Index">How many evaluations are done, from 1.</param>
/// <param name="Count">How many there will be, or null where the sampler cannot know (adaptive step size).</param>
/// <param name="Time">The solver time of the evaluation, in (0, 1].</param>
/// <param name="Latent">The noisy state that the network saw, <c>[B, C, H, W]</c>.</param>
/// <param name="Estimate">The picture or latent without noise that its answer implies, <c>[B, C, H, W]</c>.</param>
public readonly record struct SamplerStep(int Index, int? Count, double Time, Tensor Latent, Tensor Estimate);
