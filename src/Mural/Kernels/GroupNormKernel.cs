using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>Group norm and activation over pictures whose pixels' channels lie together, forward and backward.</summary>
internal abstract unsafe class GroupNormKernel
{
    /// <summary>The kernel for the widest vectors, up to <paramref name="widest"/>, that the channels fill.</summary>
    internal static GroupNormKernel For(GroupNormProblem problem, VectorWidth widest) => problem.Channels switch
    {
        _ when widest >= VectorWidth.Bits512 && problem.Channels % Vector512<float>.Count == 0 => Of<Lanes512, Vector512<float>>(problem),
        _ when widest >= VectorWidth.Bits256 && problem.Channels % Vector256<float>.Count == 0 => Of<Lanes256, Vector256<float>>(problem),
        _ when widest >= VectorWidth.Bits128 && problem.Channels % Vector128<float>.Count == 0 => Of<Lanes128, Vector128<float>>(problem),
        _ => Of<LanesScalar, float>(problem),
    };

    /// <summary>Normalises <paramref name="x"/> into <paramref name="y"/>.</summary>
    /// <param name="problem">The sizes.</param>
    /// <param name="x">Shape: <c>[B, H, W, C]</c>.</param>
    /// <param name="weight">Scale of each channel.</param>
    /// <param name="bias">Addend of each channel.</param>
    /// <param name="y">Shape: <c>[B, H, W, C]</c>.</param>
    /// <param name="statistics">Receives mean and 1/√(variance + epsilon). Shape: <c>[B, G, 2]</c>.</param>
    internal abstract void Forward(GroupNormProblem problem, byte* x, float* weight, float* bias, byte* y, float* statistics);

    /// <summary>Gradients of input, scale and addend from the result's gradient.</summary>
    /// <param name="problem">The sizes.</param>
    /// <param name="x">Shape: <c>[B, H, W, C]</c>.</param>
    /// <param name="weight">Scale of each channel.</param>
    /// <param name="bias">Addend of each channel.</param>
    /// <param name="statistics">What the forward pass gave.</param>
    /// <param name="gradient">Of the result. Shape: <c>[B, H, W, C]</c>.</param>
    /// <param name="xGradient">Shape: <c>[B, H, W, C]</c>.</param>
    /// <param name="weightGradient">Shape: <c>[C]</c>.</param>
    /// <param name="biasGradient">Shape: <c>[C]</c>.</param>
    internal abstract void Backward(
        GroupNormProblem problem, byte* x, float* weight, float* bias, float* statistics, byte* gradient, byte* xGradient, float* weightGradient, float* biasGradient);

    private static GroupNormKernel Of<T, V>(GroupNormProblem problem) where T : ILanes<V> where V : unmanaged =>
        problem.BFloat16 ? Of<T, V, BFloat16Element>(problem) : Of<T, V, Float32Element>(problem);

    private static GroupNormKernel Of<T, V, E>(GroupNormProblem problem) where T : ILanes<V> where V : unmanaged where E : IElement =>
        problem.Silu ? new GroupNormKernel<T, V, E, SiluActivation>() : new GroupNormKernel<T, V, E, IdentityActivation>();
}

/// <summary>The kernel at one vector width, for one type in memory and one activation.</summary>
internal sealed unsafe class GroupNormKernel<T, V, E, A> : GroupNormKernel
    where T : ILanes<V>
    where V : unmanaged
    where E : IElement
    where A : IActivation
{
    internal override void Forward(GroupNormProblem problem, byte* x, float* weight, float* bias, byte* y, float* statistics)
    {
        int channels = problem.Channels, chunks = problem.Chunks, block = problem.BlockImages;
        using Tensor scratch = empty((long)block * (chunks + 1) * 2 * channels, ScalarType.Float32);
        float* moments = TensorData.Floats(scratch), factors = moments + (long)block * chunks * 2 * channels;
        for (int begin = 0; begin < problem.Images; begin += block)
        {
            int first = begin, images = Math.Min(block, problem.Images - begin);
            Workers.Run(images * chunks, (item, _) =>
            {
                float* mean = moments + (long)item * 2 * channels;
                GroupNormPasses<T, V, E, A>.Moments(
                    x + problem.OffsetOf(first + item / chunks, item % chunks), problem.PixelsOf(item % chunks), channels, mean, mean + channels);
            });
            Workers.Run(images * problem.Groups, (item, _) =>
            {
                int image = item / problem.Groups, group = item % problem.Groups;
                float* scale = factors + (long)image * 2 * channels;
                float* saved = statistics + 2 * ((long)(first + image) * problem.Groups + group);
                GroupNormSums.Statistics(problem, moments + (long)image * chunks * 2 * channels, group, saved);
                GroupNormSums.Factors(problem, saved, weight, bias, group, scale, scale + channels);
            });
            Workers.Run(images * chunks, (item, _) =>
            {
                int image = item / chunks, chunk = item % chunks;
                long at = problem.OffsetOf(first + image, chunk);
                float* scale = factors + (long)image * 2 * channels;
                GroupNormPasses<T, V, E, A>.Normalise(x + at, y + at, problem.PixelsOf(chunk), channels, scale, scale + channels);
            });
        }
    }

    internal override void Backward(
        GroupNormProblem problem, byte* x, float* weight, float* bias, float* statistics, byte* gradient, byte* xGradient, float* weightGradient, float* biasGradient)
    {
        int channels = problem.Channels, chunks = problem.Chunks, block = problem.BlockImages;
        using Tensor scratch = empty(((long)block * (2 * chunks + 5) + 2L * problem.Images) * channels, ScalarType.Float32);
        // Of every chunk its two sums, of every picture in work its five factors, of every picture its two sums.
        float* sums = TensorData.Floats(scratch), factors = sums + (long)block * chunks * 2 * channels, totals = factors + (long)block * 5 * channels;
        for (int begin = 0; begin < problem.Images; begin += block)
        {
            int first = begin, images = Math.Min(block, problem.Images - begin);
            for (int image = 0; image < images; image++)
                GroupNormSums.Inverses(problem, statistics + 2L * (first + image) * problem.Groups, factors + (long)image * 5 * channels);
            Workers.Run(images * chunks, (item, _) =>
            {
                int image = item / chunks, chunk = item % chunks;
                long at = problem.OffsetOf(first + image, chunk);
                float* inverse = factors + (long)image * 5 * channels, sum = sums + (long)item * 2 * channels;
                GroupNormPasses<T, V, E, A>.GradientSums(
                    x + at, gradient + at, problem.PixelsOf(chunk), channels, inverse, inverse + channels, weight, bias, sum, sum + channels);
            });
            Workers.Run(images * problem.Groups, (item, _) =>
            {
                int image = item / problem.Groups, group = item % problem.Groups;
                GroupNormSums.Slopes(
                    problem, sums + (long)image * chunks * 2 * channels, weight, group, totals + 2L * (first + image) * channels, factors + (long)image * 5 * channels);
            });
            Workers.Run(images * chunks, (item, _) =>
            {
                int image = item / chunks, chunk = item % chunks;
                long at = problem.OffsetOf(first + image, chunk);
                float* f = factors + (long)image * 5 * channels;
                GroupNormPasses<T, V, E, A>.Gradient(
                    x + at, gradient + at, xGradient + at, problem.PixelsOf(chunk), channels,
                    f, f + channels, weight, bias, f + 2 * channels, f + 3 * channels, f + 4 * channels);
            });
        }
        GroupNormSums.OverImages(problem, totals, weightGradient, biasGradient);
    }
}
