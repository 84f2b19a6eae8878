using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>
/// What scans with plain operators start from: everything in the type that they compute in, and the terms that do not depend on the state.
/// </summary>
/// <param name="Rates">A. Shape: `[E, N]`.</param>
/// <param name="Steps">δ, after bias and softplus. Shape: `[B, L, E]`.</param>
/// <param name="Inputs">δ·u. Shape: `[B, L, E]`.</param>
/// <param name="Skipped">D·u. Shape: `[B, L, E]`.</param>
/// <param name="B">Shape: `[B, L, N]`.</param>
/// <param name="C">Shape: `[B, L, N]`.</param>
internal readonly record struct SelectiveScanTerms(Tensor Rates, Tensor Steps, Tensor Inputs, Tensor Skipped, Tensor B, Tensor C)
{
    /// <summary>float32, or float64 where the values are float64.</summary>
    internal static ScalarType TypeFor(Tensor u) => u.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;

    /// <summary>See <see cref="SelectiveScan.Apply"/> for the arguments.</summary>
    internal static SelectiveScanTerms Of(Tensor u, Tensor delta, Tensor a, Tensor b, Tensor c, Tensor skip, Tensor? deltaBias)
    {
        ScalarType type = TypeFor(u);
        Tensor values = u.to(type), steps = delta.to(type);
        if (deltaBias is not null) steps = steps + deltaBias.to(type);
        steps = nn.functional.softplus(steps, beta: 1, threshold: 20);
        return new SelectiveScanTerms(a.to(type), steps, steps * values, values * skip.to(type), b.to(type), c.to(type));
    }
}
