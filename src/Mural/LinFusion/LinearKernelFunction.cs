using Mural.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary><see cref="LinearKernel"/> as an operator that libtorch can differentiate. It saves queries, keys and values and nothing else.</summary>
internal sealed class LinearKernelFunction : autograd.SingleTensorFunction<LinearKernelFunction>
{
    private const string Heads = nameof(Heads);

    public override string Name => nameof(LinearKernelFunction);

    /// <summary>Every query's share of all tokens. Shapes: `[B, N, C]` to `[B, N, C]`.</summary>
    internal static Tensor Apply(Tensor queries, Tensor keys, Tensor values, int heads) => apply(queries, keys, values, heads);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        Tensor queries = (Tensor)vars[0], keys = (Tensor)vars[1], values = (Tensor)vars[2];
        int heads = (int)vars[3];
        ctx.save_for_backward([queries, keys, values]);
        ctx.save_data(Heads, heads);
        using Tensor means = LinearKernel.Sums(keys, values, heads).div_(keys.shape[1]);
        return LinearKernel.Attend(queries, means);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using DisposeScope scope = NewDisposeScope();
        List<Tensor> saved = ctx.get_saved_variables();
        (Tensor queries, Tensor keys, Tensor values) = LinearKernel.Backward(saved[0], saved[1], saved[2], grad_output, (int)ctx.get_data(Heads));
        return BackwardResults.Hand([queries, keys, values, null], [grad_output])!;
    }
}
