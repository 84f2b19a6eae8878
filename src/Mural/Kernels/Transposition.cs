using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Mural.Kernels;

/// <summary>Copies of small matrices with rows and columns exchanged, eight by eight in registers where there are 256-bit vectors.</summary>
internal static unsafe class Transposition
{
    private const int Block = 8;

    /// <summary>32-bit words of any kind.</summary>
    /// <typeparam name="T">How wide vectors may be.</typeparam>
    /// <typeparam name="V">Its register.</typeparam>
    /// <param name="source">`[rows, columns]`.</param>
    /// <param name="stride">From one row of the source to the next, in bytes.</param>
    /// <param name="rows">Rows of the source.</param>
    /// <param name="columns">Columns of the source.</param>
    /// <param name="target">`[columns, rows]`.</param>
    /// <param name="targetStride">From one row of the target to the next, in words.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Words<T, V>(byte* source, long stride, int rows, int columns, uint* target, long targetStride) where T : ILanes<V> where V : unmanaged
    {
        int row = 0;
        for (; InBlocks<T, V>() && row + Block <= rows; row += Block)
        {
            byte* from = source + row * stride;
            int column = 0;
            for (; column + Block <= columns; column += Block)
            {
                byte* corner = from + column * sizeof(uint);
                Store<Float32Element>(
                    Row(corner), Row(corner + stride), Row(corner + 2 * stride), Row(corner + 3 * stride),
                    Row(corner + 4 * stride), Row(corner + 5 * stride), Row(corner + 6 * stride), Row(corner + 7 * stride),
                    (byte*)(target + column * targetStride + row), targetStride * sizeof(uint));
            }
            for (; column < columns; column++)
                for (int i = 0; i < Block; i++) target[column * targetStride + row + i] = ((uint*)(from + i * stride))[column];
        }
        for (; row < rows; row++)
            for (int column = 0; column < columns; column++) target[column * targetStride + row] = ((uint*)(source + row * stride))[column];
    }

    /// <summary>Two neighbouring rows of 16-bit numbers become one row of pairs, which is then transposed; after an odd last row come zeros.</summary>
    /// <param name="source">`[rows, columns]`.</param>
    /// <param name="stride">From one row of the source to the next, in numbers.</param>
    /// <param name="rows">Rows of the source.</param>
    /// <param name="columns">Columns of the source.</param>
    /// <param name="target">`[columns, (rows + 1) / 2]` pairs, the even row's number in the low half.</param>
    /// <param name="targetStride">From one row of the target to the next, in pairs.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Pairs(ushort* source, long stride, int rows, int columns, uint* target, long targetStride)
    {
        int row = 0;
        for (; Avx2.IsSupported && row + 2 * Block <= rows; row += 2 * Block)
        {
            ushort* from = source + row * stride;
            int column = 0;
            for (; column + Block <= columns; column += Block)
            {
                ushort* corner = from + column;
                Store<Float32Element>(
                    Pair(corner, stride), Pair(corner + 2 * stride, stride), Pair(corner + 4 * stride, stride), Pair(corner + 6 * stride, stride),
                    Pair(corner + 8 * stride, stride), Pair(corner + 10 * stride, stride), Pair(corner + 12 * stride, stride), Pair(corner + 14 * stride, stride),
                    (byte*)(target + column * targetStride + row / 2), targetStride * sizeof(uint));
            }
            for (; column < columns; column++)
                for (int i = 0; i < Block; i++) target[column * targetStride + row / 2 + i] = from[2 * i * stride + column] | (uint)from[(2 * i + 1) * stride + column] << 16;
        }
        for (; row < rows; row += 2)
        {
            ushort* first = source + row * stride, second = row + 1 < rows ? first + stride : null;
            for (int column = 0; column < columns; column++) target[column * targetStride + row / 2] = first[column] | (second is null ? 0 : (uint)second[column] << 16);
        }
    }

    /// <summary>float32 numbers, each column of the source times a factor of its own, written as <typeparamref name="E"/>.</summary>
    /// <param name="source">`[rows, columns]`.</param>
    /// <param name="stride">From one row of the source to the next, in numbers.</param>
    /// <param name="rows">Rows of the source.</param>
    /// <param name="columns">Columns of the source.</param>
    /// <param name="factors">`[columns]`.</param>
    /// <param name="target">`[columns, rows]`.</param>
    /// <param name="targetStride">From one row of the target to the next, in bytes.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Scaled<T, V, E>(float* source, long stride, int rows, int columns, float* factors, byte* target, long targetStride)
        where T : ILanes<V> where V : unmanaged where E : IElement
    {
        int column = 0;
        for (; InBlocks<T, V>() && column + Block <= columns; column += Block)
        {
            Vector256<float> factor = Vector256.Load(factors + column);
            byte* to = target + column * targetStride;
            int row = 0;
            for (; row + Block <= rows; row += Block)
            {
                float* corner = source + row * stride + column;
                Store<E>(
                    Vector256.Load(corner) * factor, Vector256.Load(corner + stride) * factor,
                    Vector256.Load(corner + 2 * stride) * factor, Vector256.Load(corner + 3 * stride) * factor,
                    Vector256.Load(corner + 4 * stride) * factor, Vector256.Load(corner + 5 * stride) * factor, Vector256.Load(corner + 6 * stride) * factor,
                    Vector256.Load(corner + 7 * stride) * factor,
                    to + row * E.Bytes, targetStride);
            }
            for (; row < rows; row++)
                for (int i = 0; i < Block; i++) E.Store<LanesScalar, float>(source[row * stride + column + i] * factors[column + i], to + i * targetStride + row * E.Bytes);
        }
        for (; column < columns; column++)
            for (int row = 0; row < rows; row++) E.Store<LanesScalar, float>(source[row * stride + column] * factors[column], target + column * targetStride + row * E.Bytes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool InBlocks<T, V>() where T : ILanes<V> where V : unmanaged => Avx.IsSupported && T.Count >= Block;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Row(byte* source) => Vector256.Load((float*)source);

    // Eight pairs of two rows.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Pair(ushort* row, long stride)
    {
        Vector128<ushort> first = Vector128.Load(row), second = Vector128.Load(row + stride);
        return Vector256.Create(Sse2.UnpackLow(first, second), Sse2.UnpackHigh(first, second)).AsSingle();
    }

    // Eight rows of eight numbers. Neighbours of two rows interleave, then pairs of them, then the halves: shuffles only, so that any bits pass unchanged.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<E>(
        Vector256<float> r0, Vector256<float> r1, Vector256<float> r2, Vector256<float> r3, Vector256<float> r4, Vector256<float> r5, Vector256<float> r6, Vector256<float> r7,
        byte* target, long stride)
        where E : IElement
    {
        Vector256<float> a0 = Avx.UnpackLow(r0, r1), a1 = Avx.UnpackHigh(r0, r1), a2 = Avx.UnpackLow(r2, r3), a3 = Avx.UnpackHigh(r2, r3);
        Vector256<float> a4 = Avx.UnpackLow(r4, r5), a5 = Avx.UnpackHigh(r4, r5), a6 = Avx.UnpackLow(r6, r7), a7 = Avx.UnpackHigh(r6, r7);
        Vector256<float> b0 = Avx.Shuffle(a0, a2, 0x44), b1 = Avx.Shuffle(a0, a2, 0xEE), b2 = Avx.Shuffle(a1, a3, 0x44), b3 = Avx.Shuffle(a1, a3, 0xEE);
        Vector256<float> b4 = Avx.Shuffle(a4, a6, 0x44), b5 = Avx.Shuffle(a4, a6, 0xEE), b6 = Avx.Shuffle(a5, a7, 0x44), b7 = Avx.Shuffle(a5, a7, 0xEE);
        E.Store<Lanes256, Vector256<float>>(Avx.Permute2x128(b0, b4, 0x20), target);
        E.Store<Lanes256, Vector256<float>>(Avx.Permute2x128(b1, b5, 0x20), target + stride);
        E.Store<Lanes256, Vector256<float>>(Avx.Permute2x128(b2, b6, 0x20), target + 2 * stride);
        E.Store<Lanes256, Vector256<float>>(Avx.Permute2x128(b3, b7, 0x20), target + 3 * stride);
        E.Store<Lanes256, Vector256<float>>(Avx.Permute2x128(b0, b4, 0x31), target + 4 * stride);
        E.Store<Lanes256, Vector256<float>>(Avx.Permute2x128(b1, b5, 0x31), target + 5 * stride);
        E.Store<Lanes256, Vector256<float>>(Avx.Permute2x128(b2, b6, 0x31), target + 6 * stride);
        E.Store<Lanes256, Vector256<float>>(Avx.Permute2x128(b3, b7, 0x31), target + 7 * stride);
    }
}
