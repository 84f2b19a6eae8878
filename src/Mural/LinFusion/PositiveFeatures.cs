using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>
/// φ(t) = elu(t) + 1: what makes queries and keys positive (spec 1.2). Full precision computes it in the two rounded steps of the official code; for inputs of reduced
/// precision e^t is computed at once in float32, so that small values stay above zero instead of vanishing in the sum with 1.
/// </summary>
internal static class PositiveFeatures
{
    /// <summary>φ, in float32 or wider.</summary>
    internal static Tensor Apply(Tensor projected)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor features = projected.dtype is ScalarType.Float32 or ScalarType.Float64
            ? nn.functional.elu(projected, 1).add_(1)
            : Sum(Slope(projected), projected.to(ScalarType.Float32).relu());
        return features.MoveToOuterDisposeScope();
    }

    // What is differentiated keeps its results.
    private static Tensor Sum(Tensor below, Tensor above) => below.requires_grad ? below + above : below.add_(above);

    /// <summary>φ', which is 1 from zero on and e^t below.</summary>
    internal static Tensor Slope(Tensor projected)
    {
        using Tensor wide = projected.to(Accumulation(projected.dtype));
        using Tensor below = wide.clamp_max(0);
        return below.exp();
    }

    /// <summary>The type that sums over tokens are taken in, for inputs of some type.</summary>
    internal static ScalarType Accumulation(ScalarType type) => type == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
}
