using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>The kernel as an operator that libtorch can differentiate. It saves its inputs; the roots are computed again.</summary>
internal sealed class RmsNormFunction : autograd.SingleTensorFunction<RmsNormFunction>
{
    public override string Name => nameof(RmsNormFunction);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        Tensor x = (Tensor)vars[0], factor = (Tensor)vars[1], addend = (Tensor)vars[2];
        var call = (RmsNormCall)vars[3];
        ctx.save_for_backward([x, factor, addend]);
        ctx.save_data(nameof(RmsNormCall), call);
        return RmsNormKernel.Forward(x, factor, addend, call);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using DisposeScope scope = NewDisposeScope();
        List<Tensor> saved = ctx.get_saved_variables();
        var call = (RmsNormCall)ctx.get_data(nameof(RmsNormCall));
        (Tensor x, Tensor factor, Tensor addend) = RmsNormKernel.Backward(saved[0], saved[1], saved[2], grad_output, call);
        return BackwardResults.Hand([x, factor, addend, null], [grad_output])!;
    }
}
