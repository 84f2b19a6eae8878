using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>The kernel as an operator that libtorch can differentiate. It saves its inputs and nothing else.</summary>
internal sealed class CausalConvolutionFunction : autograd.SingleTensorFunction<CausalConvolutionFunction>
{
    public override string Name => nameof(CausalConvolutionFunction);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        Tensor x = (Tensor)vars[0], parameters = (Tensor)vars[1];
        var call = (ConvolutionCall)vars[2];
        ctx.save_for_backward([x, parameters]);
        ctx.save_data(nameof(ConvolutionCall), call);
        return CausalConvolutionKernel.Forward(x, parameters, call);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using DisposeScope scope = NewDisposeScope();
        List<Tensor> saved = ctx.get_saved_variables();
        var call = (ConvolutionCall)ctx.get_data(nameof(ConvolutionCall));
        (Tensor x, Tensor parameters) = CausalConvolutionKernel.Backward(saved[0], saved[1], grad_output, call);
        return BackwardResults.Hand([x, parameters, null], [grad_output])!;
    }
}
