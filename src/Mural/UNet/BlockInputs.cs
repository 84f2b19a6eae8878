using Mural.HiDiffusion;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>What every block gets in one run of the network, beside its feature map.</summary>
/// <param name="Time">SiLU of the time embedding, in the run's type. Shape: `[B, time width]`.</param>
/// <param name="Prompt">What the cross-attentions attend to.</param>
/// <param name="Observe">Sees the result of each part, named by the object that made it; it must not keep the tensor, which may be written over.</param>
/// <param name="Step">What HiDiffusion does in this run of the network, or null for nothing.</param>
internal sealed record BlockInputs(Tensor Time, PreparedPrompt Prompt, Action<object, Tensor>? Observe, HiDiffusionStep? Step);
