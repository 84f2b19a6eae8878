using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>The kernel as an operator that libtorch can differentiate.</summary>
internal sealed class GatedResidualFunction : autograd.SingleTensorFunction<GatedResidualFunction>
{
    public override string Name => nameof(GatedResidualFunction);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        Tensor stream = (Tensor)vars[0], mixed = (Tensor)vars[1], factor = (Tensor)vars[2];
        var width = (VectorWidth)vars[3];
        ctx.save_for_backward([mixed, factor]);
        ctx.save_data(nameof(VectorWidth), width);
        return GatedResidualKernel.Forward(stream, mixed, factor, width);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using DisposeScope scope = NewDisposeScope();
        List<Tensor> saved = ctx.get_saved_variables();
        (Tensor mixed, Tensor factor) = GatedResidualKernel.Backward(saved[0], saved[1], grad_output, (VectorWidth)ctx.get_data(nameof(VectorWidth)));
        // The stream's gradient is the incoming one itself.
        return BackwardResults.Hand([grad_output.alias(), mixed, factor, null], [grad_output])!;
    }
}
