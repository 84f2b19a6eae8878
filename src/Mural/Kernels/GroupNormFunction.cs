using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>The kernel's place in autograd. It keeps the input and two numbers a group; the backward pass computes the rest again.</summary>
internal sealed unsafe class GroupNormFunction : autograd.SingleTensorFunction<GroupNormFunction>
{
    // The engine reads the handles after backward has returned; until the next call something must hold the tensors.
    [ThreadStatic]
    private static List<Tensor>? _returned;

    public override string Name => nameof(GroupNormFunction);

    /// <summary>Normalises without recording anything.</summary>
    /// <param name="pixels">Contiguous. Shape: <c>[B, H, W, C]</c>.</param>
    /// <param name="weight">Contiguous float32. Shape: <c>[C]</c>.</param>
    /// <param name="bias">Contiguous float32. Shape: <c>[C]</c>.</param>
    /// <param name="problem">The sizes.</param>
    /// <param name="width">The widest vectors to use.</param>
    internal static (Tensor Output, Tensor Statistics) Run(Tensor pixels, Tensor weight, Tensor bias, GroupNormProblem problem, VectorWidth width)
    {
        Tensor output = empty(pixels.shape, pixels.dtype);
        Tensor statistics = empty(problem.Images, problem.Groups, 2, ScalarType.Float32);
        GroupNormKernel.For(problem, width).Forward(
            problem, (byte*)TensorData.Pointer(pixels), TensorData.Floats(weight), TensorData.Floats(bias), (byte*)TensorData.Pointer(output), TensorData.Floats(statistics));
        return (output, statistics);
    }

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        Tensor pixels = (Tensor)vars[0], weight = (Tensor)vars[1], bias = (Tensor)vars[2];
        var problem = (GroupNormProblem)vars[3];
        (Tensor output, Tensor statistics) = Run(pixels, weight, bias, problem, (VectorWidth)vars[4]);
        ctx.save_data(nameof(GroupNormProblem), problem);
        ctx.save_data(nameof(VectorWidth), vars[4]);
        ctx.save_for_backward([pixels, weight, bias, statistics]);
        return output;
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        _returned?.ForEach(gradient => gradient?.Dispose());
        using DisposeScope scope = NewDisposeScope();
        using Tensor incoming = grad_output;
        var problem = (GroupNormProblem)ctx.get_data(nameof(GroupNormProblem));
        List<Tensor> saved = ctx.get_saved_variables();
        Tensor pixels = saved[0], weight = saved[1], bias = saved[2], gradient = incoming.contiguous();
        Tensor xGradient = empty(pixels.shape, pixels.dtype), weightGradient = empty_like(weight), biasGradient = empty_like(bias);
        GroupNormKernel.For(problem, (VectorWidth)ctx.get_data(nameof(VectorWidth))).Backward(
            problem, (byte*)TensorData.Pointer(pixels), TensorData.Floats(weight), TensorData.Floats(bias), TensorData.Floats(saved[3]),
            (byte*)TensorData.Pointer(gradient), (byte*)TensorData.Pointer(xGradient), TensorData.Floats(weightGradient), TensorData.Floats(biasGradient));
        return _returned = [xGradient.DetachFromDisposeScope(), weightGradient.DetachFromDisposeScope(), biasGradient.DetachFromDisposeScope(), null!, null!];
    }
}
