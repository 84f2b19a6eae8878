using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>Group norm, with SiLU after it where a residual block has one: one reading and one writing instead of a pass for each.</summary>
internal static class GroupNormalization
{
    /// <summary>activation((x - mean) / √(variance + epsilon) · weight + bias), mean and variance over the pixels and channels of a group.</summary>
    /// <param name="input">Shape: <c>[B, C, H, W]</c>.</param>
    /// <param name="groups">Groups of neighbouring channels.</param>
    /// <param name="weight">Shape: <c>[C]</c>.</param>
    /// <param name="bias">Shape: <c>[C]</c>.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="silu">Whether SiLU follows.</param>
    /// <param name="kernels">Hand-written kernel or plain operators.</param>
    /// <returns>In the input's type; channels-last where the kernel ran. Shape: <c>[B, C, H, W]</c>.</returns>
    internal static Tensor Apply(Tensor input, long groups, Tensor weight, Tensor bias, double epsilon, bool silu, KernelSet kernels) =>
        kernels == KernelSet.Mural && GroupNormProblem.Serves(input)
            ? Fused(input, groups, weight, bias, epsilon, silu, VectorWidths.Best)
            : Reference(input, groups, weight, bias, epsilon, silu);

    /// <summary>The hand-written kernel, with vectors up to <paramref name="width"/>.</summary>
    internal static Tensor Fused(Tensor input, long groups, Tensor weight, Tensor bias, double epsilon, bool silu, VectorWidth width)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor pixels = input.permute(0, 2, 3, 1).contiguous();
        Tensor scale = weight.to(ScalarType.Float32).contiguous(), addend = bias.to(ScalarType.Float32).contiguous();
        GroupNormProblem problem = GroupNormProblem.Of(pixels, groups, epsilon, silu);
        bool recorded = Gradients.AreRecorded(pixels, scale, addend);
        Tensor output = recorded
            ? GroupNormFunction.apply(pixels, scale, addend, problem, width)
            : GroupNormFunction.Run(pixels, scale, addend, problem, width).Output;
        return output.permute(0, 3, 1, 2).MoveToOuterDisposeScope();
    }

    /// <summary>The same with libtorch operators.</summary>
    internal static Tensor Reference(Tensor input, long groups, Tensor weight, Tensor bias, double epsilon, bool silu)
    {
        using DisposeScope scope = NewDisposeScope();
        // On the CPU libtorch takes float32 scales beside a reduced-precision input; elsewhere the types must be equal.
        bool cpu = input.device_type == DeviceType.CPU, reduced = input.dtype is ScalarType.BFloat16 or ScalarType.Float16;
        ScalarType type = cpu && reduced ? ScalarType.Float32 : input.dtype;
        // libtorch's channels-last kernel loses digits where the mean is large, and its derivative takes tens of times longer than the planar one's.
        bool recorded = Gradients.AreRecorded(input, weight, bias);
        bool planar = cpu && input.dim() == 4 && (recorded || !reduced);
        Tensor output = nn.functional.group_norm(planar ? input.contiguous() : input, groups, weight.to(type), bias.to(type), epsilon);
        if (silu) output = output.requires_grad ? output.silu() : output.silu_();
        return (planar ? output.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2) : output).MoveToOuterDisposeScope();
    }
}
