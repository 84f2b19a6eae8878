using System.Runtime.CompilerServices;

namespace Mural.Kernels;

/// <summary>
/// The inner loops of group norm. Each takes a chunk of pixels, a vector of channels at a time over a few pixels, so that what belongs to the channels
/// stays in registers while memory is still read nearly in order. The channel count is a multiple of the lanes.
/// </summary>
internal static unsafe class GroupNormPasses<T, V, E, A>
    where T : ILanes<V>
    where V : unmanaged
    where E : IElement
    where A : IActivation
{
    private const int PixelsAtOnce = 8;

    /// <summary>Mean of each channel and sum of the squared distances from it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Moments(byte* x, int pixels, int channels, float* mean, float* squares)
    {
        V zero = T.Create(0), share = T.Create(1f / pixels);
        int step = channels * E.Bytes;
        for (int channel = 0; channel < channels; channel += T.Count)
        {
            T.Store(zero, mean + channel);
            T.Store(zero, squares + channel);
        }
        for (int first = 0; first < pixels; first += PixelsAtOnce)
        {
            int count = Math.Min(PixelsAtOnce, pixels - first);
            for (int channel = 0; channel < channels; channel += T.Count)
            {
                byte* source = x + (long)first * step + channel * E.Bytes;
                V sum = T.Load(mean + channel);
                for (int pixel = 0; pixel < count; pixel++, source += step) sum = T.Add(sum, E.Load<T, V>(source));
                T.Store(sum, mean + channel);
            }
        }
        for (int channel = 0; channel < channels; channel += T.Count) T.Store(T.Multiply(T.Load(mean + channel), share), mean + channel);
        for (int first = 0; first < pixels; first += PixelsAtOnce)
        {
            int count = Math.Min(PixelsAtOnce, pixels - first);
            for (int channel = 0; channel < channels; channel += T.Count)
            {
                byte* source = x + (long)first * step + channel * E.Bytes;
                V center = T.Load(mean + channel), sum = T.Load(squares + channel);
                for (int pixel = 0; pixel < count; pixel++, source += step)
                {
                    V distance = T.Subtract(E.Load<T, V>(source), center);
                    sum = T.MultiplyAdd(distance, distance, sum);
                }
                T.Store(sum, squares + channel);
            }
        }
    }

    /// <summary>y = activation(x · scale + shift).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Normalise(byte* x, byte* y, int pixels, int channels, float* scale, float* shift)
    {
        int step = channels * E.Bytes;
        for (int first = 0; first < pixels; first += PixelsAtOnce)
        {
            int count = Math.Min(PixelsAtOnce, pixels - first);
            for (int channel = 0; channel < channels; channel += T.Count)
            {
                long at = (long)first * step + channel * E.Bytes;
                V factor = T.Load(scale + channel), addend = T.Load(shift + channel);
                for (int pixel = 0; pixel < count; pixel++, at += step)
                    E.Store<T, V>(A.Apply<T, V>(T.MultiplyAdd(E.Load<T, V>(x + at), factor, addend)), y + at);
            }
        }
    }

    /// <summary>
    /// Sums over the pixels of the gradient before the activation, and of its product with the normalised value n = x · inverse + shift.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void GradientSums(
        byte* x, byte* gradient, int pixels, int channels, float* inverse, float* shift, float* weight, float* bias, float* sums, float* products)
    {
        V zero = T.Create(0);
        int step = channels * E.Bytes;
        for (int channel = 0; channel < channels; channel += T.Count)
        {
            T.Store(zero, sums + channel);
            T.Store(zero, products + channel);
        }
        for (int first = 0; first < pixels; first += PixelsAtOnce)
        {
            int count = Math.Min(PixelsAtOnce, pixels - first);
            for (int channel = 0; channel < channels; channel += T.Count)
            {
                long at = (long)first * step + channel * E.Bytes;
                V i = T.Load(inverse + channel), s = T.Load(shift + channel), w = T.Load(weight + channel), b = T.Load(bias + channel);
                V sum = T.Load(sums + channel), product = T.Load(products + channel);
                for (int pixel = 0; pixel < count; pixel++, at += step)
                {
                    V n = T.MultiplyAdd(E.Load<T, V>(x + at), i, s);
                    V d = T.Multiply(E.Load<T, V>(gradient + at), A.Derivative<T, V>(T.MultiplyAdd(n, w, b)));
                    sum = T.Add(sum, d);
                    product = T.MultiplyAdd(d, n, product);
                }
                T.Store(sum, sums + channel);
                T.Store(product, products + channel);
            }
        }
    }

    /// <summary>The input's gradient d · factor + n · slope + offset, where d is the gradient before the activation and n the normalised value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Gradient(
        byte* x, byte* gradient, byte* result, int pixels, int channels, float* inverse, float* shift, float* weight, float* bias, float* factor, float* slope, float* offset)
    {
        int step = channels * E.Bytes;
        for (int first = 0; first < pixels; first += PixelsAtOnce)
        {
            int count = Math.Min(PixelsAtOnce, pixels - first);
            for (int channel = 0; channel < channels; channel += T.Count)
            {
                long at = (long)first * step + channel * E.Bytes;
                V i = T.Load(inverse + channel), s = T.Load(shift + channel), w = T.Load(weight + channel), b = T.Load(bias + channel);
                V f = T.Load(factor + channel), l = T.Load(slope + channel), o = T.Load(offset + channel);
                for (int pixel = 0; pixel < count; pixel++, at += step)
                {
                    V n = T.MultiplyAdd(E.Load<T, V>(x + at), i, s);
                    V d = T.Multiply(E.Load<T, V>(gradient + at), A.Derivative<T, V>(T.MultiplyAdd(n, w, b)));
                    E.Store<T, V>(T.MultiplyAdd(d, f, T.MultiplyAdd(n, l, o)), result + at);
                }
            }
        }
    }
}
