using System.Runtime.InteropServices;

namespace Mural.Checkpoints;

/// <summary>The 8-bit floating-point types of the OCP specification (1.0), widened to 16-bit types that hold each of their values exactly.</summary>
internal static class Float8
{
    private static readonly Half[] E4M3 = [.. Enumerable.Range(0, 256).Select(bits => WidenE4M3((byte)bits))];

    /// <summary>Sign, 4 exponent bits (bias 7), 3 mantissa bits, no infinities, to float16.</summary>
    internal static void FromE4M3(ReadOnlySpan<byte> stored, Span<byte> elements)
    {
        Span<Half> values = MemoryMarshal.Cast<byte, Half>(elements);
        for (int i = 0; i < values.Length; i++) values[i] = E4M3[stored[i]];
    }

    /// <summary>Sign, 5 exponent bits, 2 mantissa bits: the upper half of a float16.</summary>
    internal static void FromE5M2(ReadOnlySpan<byte> stored, Span<byte> elements)
    {
        Span<ushort> values = MemoryMarshal.Cast<byte, ushort>(elements);
        for (int i = 0; i < values.Length; i++) values[i] = (ushort)(stored[i] << 8);
    }

    /// <summary>A bare power of two, 2^(bits - 127), 255 being NaN, to bfloat16, whose exponent field is the same.</summary>
    internal static void FromE8M0(ReadOnlySpan<byte> stored, Span<byte> elements)
    {
        Span<ushort> values = MemoryMarshal.Cast<byte, ushort>(elements);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = stored[i] switch
            {
                0 => 0x0040,
                255 => 0x7FC0,
                byte exponent => (ushort)(exponent << 7),
            };
        }
    }

    private static Half WidenE4M3(byte bits)
    {
        int exponent = (bits >> 3) & 15, mantissa = bits & 7;
        if (exponent == 15 && mantissa == 7) return Half.NaN;
        double magnitude = exponent == 0 ? Math.ScaleB(mantissa, -9) : Math.ScaleB(8 + mantissa, exponent - 10);
        return (Half)Math.CopySign(magnitude, (bits & 0x80) == 0 ? 1 : -1);
    }
}
