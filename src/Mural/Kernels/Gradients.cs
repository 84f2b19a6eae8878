using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>Whether an operator is part of a backward pass to come: kernels without one leave such runs to plain operators, the others then keep their inputs.</summary>
internal static class Gradients
{
    /// <summary>Whether gradients are recorded and any of the inputs, of which absent ones are null, needs them.</summary>
    internal static bool AreRecorded(params ReadOnlySpan<Tensor?> inputs)
    {
        if (!is_grad_enabled()) return false;
        foreach (Tensor? input in inputs)
            if (input?.requires_grad == true) return true;
        return false;
    }
}
