using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>What a <see cref="CrossAttention"/> attends to.</summary>
/// <param name="Keys">Shape: `[B, T, C]`.</param>
/// <param name="Values">Shape: `[B, T, C]`.</param>
/// <param name="Weight">Factor of its part of the result: 1 for a prompt, an adapter's scale for its picture.</param>
internal sealed record KeysAndValues(Tensor Keys, Tensor Values, double Weight = 1);
