using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>The sum at the end of a residual branch.</summary>
internal static class Residual
{
    /// <summary>branch + stream, written over the branch where no gradients are recorded: a branch's result must belong to nobody else.</summary>
    internal static Tensor Add(Tensor branch, Tensor stream) =>
        branch.requires_grad || stream.requires_grad ? branch + stream : branch.add_(stream);
}
