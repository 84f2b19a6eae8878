using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>
/// Hands gradients from a hand-written backward pass to libtorch. libtorch takes its own references only after the pass has returned, so somebody must hold the
/// tensors until then: the next pass on the same thread lets them go. Otherwise the gradients of every layer would live until a training step's scope ends.
/// </summary>
internal static class BackwardResults
{
    [ThreadStatic]
    private static List<Tensor?>? _handed;

    /// <summary>Lets the gradients handed before go, and the incoming ones of this pass; takes the new ones out of the current dispose scope.</summary>
    internal static List<Tensor?> Hand(List<Tensor?> gradients, List<Tensor> incoming)
    {
        foreach (Tensor tensor in incoming) tensor.Dispose();
        if (_handed is not null)
            foreach (Tensor? tensor in _handed) tensor?.Dispose();
        foreach (Tensor? tensor in gradients) tensor?.MoveToOuterDisposeScope();
        return _handed = gradients;
    }
}
