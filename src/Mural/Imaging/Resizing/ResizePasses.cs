using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Mural.Imaging;

/// <summary>One pass of a resize over 8-bit samples, along the rows or along the columns. Sums are integers, so every path gives the same bytes.</summary>
internal static class ResizePasses
{
    private const int Half = 1 << (ResizeTaps.FractionBits - 1);

    /// <summary>Changes the width to as many pixels as there are taps.</summary>
    internal static Picture Horizontal(Picture source, ResizeTaps taps)
    {
        int channels = source.Channels;
        var result = new Picture(taps.Count, source.Height, channels);
        int[][] weights = taps.ToIntegers();
        Span<int> sums = stackalloc int[4];
        for (int y = 0; y < source.Height; y++)
        {
            ReadOnlySpan<byte> row = source.Row(y);
            Span<byte> target = result.Row(y);
            for (int x = 0; x < taps.Count; x++)
            {
                sums.Fill(Half);
                int at = taps.Start(x) * channels;
                foreach (int weight in weights[x])
                    for (int c = 0; c < channels; c++) sums[c] += row[at++] * weight;
                for (int c = 0; c < channels; c++) target[x * channels + c] = ToByte(sums[c]);
            }
        }
        return result;
    }

    /// <summary>Changes the height to as many pixels as there are taps.</summary>
    internal static Picture Vertical(Picture source, ResizeTaps taps)
    {
        var result = new Picture(source.Width, taps.Count, source.Channels);
        int[][] weights = taps.ToIntegers();
        int[] sums = new int[source.Width * source.Channels];
        for (int y = 0; y < taps.Count; y++)
        {
            Array.Fill(sums, Half);
            for (int tap = 0; tap < weights[y].Length; tap++) AddRow(sums, source.Row(taps.Start(y) + tap), weights[y][tap]);
            Span<byte> target = result.Row(y);
            for (int i = 0; i < sums.Length; i++) target[i] = ToByte(sums[i]);
        }
        return result;
    }

    // Lanes are neighbouring samples: 8 bytes widened to 8 integers; the scalar loop does the rest.
    private static void AddRow(Span<int> sums, ReadOnlySpan<byte> row, int weight)
    {
        int i = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            ref int sum = ref MemoryMarshal.GetReference(sums);
            ref byte sample = ref MemoryMarshal.GetReference(row);
            for (; i <= row.Length - Vector256<int>.Count; i += Vector256<int>.Count)
            {
                Vector128<byte> bytes = Vector128.CreateScalar(Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref sample, i))).AsByte();
                Vector256<int> samples = Vector256.WidenLower(Vector256.WidenLower(bytes.ToVector256Unsafe()).AsUInt16()).AsInt32();
                (Vector256.LoadUnsafe(ref sum, (nuint)i) + samples * weight).StoreUnsafe(ref sum, (nuint)i);
            }
        }
        for (; i < row.Length; i++) sums[i] += row[i] * weight;
    }

    private static byte ToByte(int sum) => (byte)Math.Clamp(sum >> ResizeTaps.FractionBits, 0, 255);
}
