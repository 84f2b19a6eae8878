using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>Sums of tensors with factors in double precision: what sampling steps are made of.</summary>
internal static class Combination
{
    /// <summary>The sum as a new tensor; of the terms' factors, none may be infinite.</summary>
    internal static Tensor Of(params ReadOnlySpan<(double Factor, Tensor Value)> terms)
    {
        Tensor sum = terms[0].Value * terms[0].Factor;
        foreach ((double factor, Tensor value) in terms[1..]) sum.add_(value, alpha: factor);
        return sum;
    }
}
