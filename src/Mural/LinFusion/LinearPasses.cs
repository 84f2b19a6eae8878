using System.Runtime.CompilerServices;
using Mural.Kernels;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>What one worker of <see cref="FusedLinearAttention"/> keeps for a block of tokens.</summary>
internal readonly unsafe struct LinearScratch(float* memory, int heads, int size, int columns)
{
    /// <summary>Tokens of a block.</summary>
    internal const int Block = 64;

    /// <summary>Numbers that it takes.</summary>
    internal static long Length(int heads, int size, int columns) => Block * ((heads + 1L) * size + columns);

    /// <summary>Channels of all heads.</summary>
    internal readonly int Channels = heads * size;

    /// <summary>Channels of a head, and columns that products have: one more, filled up to whole tiles.</summary>
    internal readonly int Size = size, Columns = columns;

    /// <summary>Features of all heads, `[token, channel]`.</summary>
    internal readonly float* Features = memory;

    /// <summary>Features of a head, `[channel, token]`.</summary>
    internal readonly float* Transposed = memory + (long)Block * heads * size;

    /// <summary>Values of a head with a column of ones, or results with their divisors, `[token, column]`.</summary>
    internal readonly float* Wide = memory + (long)Block * (heads + 1) * size;
}

/// <summary>The loops of <see cref="FusedLinearAttention"/>.</summary>
internal abstract unsafe class LinearPasses
{
    /// <summary>The loops for tensors of a type.</summary>
    internal static LinearPasses For(ScalarType type, VectorWidth width) => type == ScalarType.BFloat16
        ? width.Passes<LinearPasses<BFloat16Element>>() : width.Passes<LinearPasses<Float32Element>>();

    /// <summary>Columns of products that have room for a number of them.</summary>
    internal abstract int Columns(int needed);

    /// <summary>φ of whole tokens, into the scratch.</summary>
    /// <param name="tokens">The first key or query, with the channels of all heads.</param>
    /// <param name="stride">From one to the next, in bytes; likewise the other strides.</param>
    /// <param name="count">Number of tokens, at most <see cref="LinearScratch.Block"/>.</param>
    /// <param name="scratch">The worker's.</param>
    internal abstract void Features(byte* tokens, long stride, int count, LinearScratch scratch);

    /// <summary>Σ φ(k)ᵀ [v | 1] of the tokens of the scratch, for one head.</summary>
    /// <param name="head">The head.</param>
    /// <param name="values">The first value.</param>
    /// <param name="valueStride">From one value to the next.</param>
    /// <param name="count">Number of tokens.</param>
    /// <param name="sums">`[size, columns]`.</param>
    /// <param name="add">Adds to the sums instead of overwriting them.</param>
    /// <param name="scratch">The worker's.</param>
    internal abstract void Sum(int head, byte* values, long valueStride, int count, float* sums, bool add, LinearScratch scratch);

    /// <summary>φ(q) S / (φ(q) k̄ + 1e-4) for the tokens of the scratch and one head.</summary>
    /// <param name="head">The head.</param>
    /// <param name="count">Number of tokens.</param>
    /// <param name="means">[S | k̄], `[size, columns]`.</param>
    /// <param name="output">The place of the first result.</param>
    /// <param name="outputStride">From one result to the next.</param>
    /// <param name="scratch">The worker's.</param>
    internal abstract void Attend(int head, int count, float* means, byte* output, long outputStride, LinearScratch scratch);
}

/// <summary>The loops for one number format.</summary>
internal abstract class LinearPasses<E> : LinearPasses, IVectorized<LinearPasses<E>> where E : IElement
{
    public static LinearPasses<E> Over<T, V>() where T : ILanes<V> where V : unmanaged => new LinearPasses<E, T, V>();
}

/// <summary>The loops for one number format at one vector width.</summary>
internal sealed unsafe class LinearPasses<E, T, V> : LinearPasses<E>
    where E : IElement
    where T : ILanes<V>
    where V : unmanaged
{
    internal override int Columns(int needed)
    {
        int step = Float32Products.Available ? Lanes.Most : VectorProducts<T, V>.TileColumns;
        return (needed + step - 1) / step * step;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal override void Features(byte* tokens, long stride, int count, LinearScratch scratch)
    {
        for (int token = 0; token < count; token++) Features(tokens + token * stride, scratch.Features + (long)token * scratch.Channels, scratch.Channels);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal override void Sum(int head, byte* values, long valueStride, int count, float* sums, bool add, LinearScratch scratch)
    {
        const int Block = LinearScratch.Block;
        int size = scratch.Size, columns = scratch.Columns;
        for (int token = 0; token < count; token++)
        {
            float* wide = scratch.Wide + token * columns;
            Copy(values + token * valueStride, wide, size);
            wide[size] = 1;
        }
        Transposition.Words<T, V>((byte*)(scratch.Features + head * size), scratch.Channels * sizeof(float), count, size, (uint*)scratch.Transposed, Block);
        Multiply(size, columns, count, scratch.Transposed, Block, scratch.Wide, columns, sums, columns, add);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal override void Attend(int head, int count, float* means, byte* output, long outputStride, LinearScratch scratch)
    {
        int size = scratch.Size, columns = scratch.Columns;
        Multiply(count, columns, size, scratch.Features + head * size, scratch.Channels, means, columns, scratch.Wide, columns, add: false);
        for (int token = 0; token < count; token++)
        {
            float* wide = scratch.Wide + token * columns;
            Scale(wide, 1 / (wide[size] + (float)LinearKernel.Epsilon), output + token * outputStride, size);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply(int m, int n, int k, float* a, long strideA, float* b, long strideB, float* c, long strideC, bool add)
    {
        if (Float32Products.Available) Float32Products.Multiply(m, n, k, a, strideA, b, strideB, c, strideC, add);
        else VectorProducts<T, V>.Multiply(m, n, k, a, strideA, b, strideB, c, strideC, add);
    }

    // The last vector of a row overlaps the one before: what is computed twice is the same. Rows shorter than a vector go number by number.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Features(byte* source, float* target, int size)
    {
        if (size < T.Count)
        {
            for (int channel = 0; channel < size; channel++) target[channel] = Feature<LanesScalar, float>(E.Load<LanesScalar, float>(source + channel * E.Bytes));
            return;
        }
        for (int channel = 0; channel < size; channel += T.Count)
        {
            int at = Math.Min(channel, size - T.Count);
            T.Store(Feature<T, V>(E.Load<T, V>(source + at * E.Bytes)), target + at);
        }
    }

    // Optimised from the first call on, as all of these loops: a picture has too few calls for the runtime to find out.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Copy(byte* source, float* target, int size)
    {
        if (size < T.Count)
        {
            for (int channel = 0; channel < size; channel++) target[channel] = E.Load<LanesScalar, float>(source + channel * E.Bytes);
            return;
        }
        for (int channel = 0; channel < size; channel += T.Count)
        {
            int at = Math.Min(channel, size - T.Count);
            T.Store(E.Load<T, V>(source + at * E.Bytes), target + at);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scale(float* source, float factor, byte* target, int size)
    {
        if (size < T.Count)
        {
            for (int channel = 0; channel < size; channel++) E.Store<LanesScalar, float>(source[channel] * factor, target + channel * E.Bytes);
            return;
        }
        V factors = T.Create(factor);
        for (int channel = 0; channel < size; channel += T.Count)
        {
            int at = Math.Min(channel, size - T.Count);
            E.Store<T, V>(T.Multiply(T.Load(source + at), factors), target + at * E.Bytes);
        }
    }

    // φ as PositiveFeatures has it: float32 goes the official way over elu, which rounds e^t - 1 before 1 is added again.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static X Feature<L, X>(X value) where L : ILanes<X> where X : unmanaged
    {
        X zero = L.Create(0), one = L.Create(1), negative = L.Subtract(zero, L.Max(zero, L.Subtract(zero, value)));
        X below = LaneMath.ExpOfNegative<L, X>(negative);
        if (E.Bytes == sizeof(float)) below = L.Add(L.Subtract(below, one), one);
        return L.IfNegative(value, below, L.Add(value, one));
    }
}
