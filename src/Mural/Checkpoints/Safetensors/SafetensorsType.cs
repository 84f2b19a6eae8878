using System.Buffers.Binary;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>
/// A type of the safetensors format: its name, its size in the file, the libtorch type its values are read as, and how (given stored bytes and room for
/// as many elements). Little-endian throughout.
/// </summary>
internal sealed record SafetensorsType(string Name, int Bytes, ScalarType Type, SafetensorsType.Decoder Decode)
{
    // Types that libtorch has come first: writing looks them up by their libtorch type.
    private static readonly SafetensorsType[] All =
    [
        new("F64", 8, ScalarType.Float64, Copy),
        new("F32", 4, ScalarType.Float32, Copy),
        new("F16", 2, ScalarType.Float16, Copy),
        new("BF16", 2, ScalarType.BFloat16, Copy),
        new("I64", 8, ScalarType.Int64, Copy),
        new("I32", 4, ScalarType.Int32, Copy),
        new("I16", 2, ScalarType.Int16, Copy),
        new("I8", 1, ScalarType.Int8, Copy),
        new("U8", 1, ScalarType.Byte, Copy),
        new("BOOL", 1, ScalarType.Bool, Truth),
        new("C64", 8, ScalarType.ComplexFloat32, Copy),
        new("U64", 8, ScalarType.Int64, UnsignedLong),
        new("U32", 4, ScalarType.Int64, UnsignedInt),
        new("U16", 2, ScalarType.Int32, UnsignedShort),
        new("F8_E4M3", 1, ScalarType.Float16, Float8.FromE4M3),
        new("F8_E5M2", 1, ScalarType.Float16, Float8.FromE5M2),
        new("F8_E8M0", 1, ScalarType.BFloat16, Float8.FromE8M0),
    ];

    // Named by the format, but without a counterpart in libtorch's CPU types.
    private static readonly string[] Unsupported = ["F4", "F6_E2M3", "F6_E3M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "C128"];

    internal delegate void Decoder(ReadOnlySpan<byte> stored, Span<byte> elements);

    /// <summary>The type of this name, or null where it cannot be read.</summary>
    internal static SafetensorsType? Find(string name) => Array.Find(All, type => type.Name == name);

    /// <summary>Whether the format knows the name although it cannot be read.</summary>
    internal static bool IsKnown(string name) => Unsupported.Contains(name);

    internal static string Supported => string.Join(", ", All.Select(type => type.Name));

    /// <summary>The type that holds values of a libtorch type.</summary>
    internal static SafetensorsType Of(ScalarType type, string tensor) => Array.Find(All, candidate => candidate.Type == type)
        ?? throw new MuralException($"The tensor {tensor} has the type {type}, which a safetensors file cannot hold; convert it first.");

    private static void Copy(ReadOnlySpan<byte> stored, Span<byte> elements) => stored.CopyTo(elements);

    // libtorch takes any byte but 0 and 1 in a boolean for undefined behaviour.
    private static void Truth(ReadOnlySpan<byte> stored, Span<byte> elements)
    {
        for (int i = 0; i < stored.Length; i++) elements[i] = stored[i] == 0 ? (byte)0 : (byte)1;
    }

    private static void UnsignedShort(ReadOnlySpan<byte> stored, Span<byte> elements)
    {
        Span<int> values = MemoryMarshal.Cast<byte, int>(elements);
        for (int i = 0; i < values.Length; i++) values[i] = BinaryPrimitives.ReadUInt16LittleEndian(stored[(i * 2)..]);
    }

    private static void UnsignedInt(ReadOnlySpan<byte> stored, Span<byte> elements)
    {
        Span<long> values = MemoryMarshal.Cast<byte, long>(elements);
        for (int i = 0; i < values.Length; i++) values[i] = BinaryPrimitives.ReadUInt32LittleEndian(stored[(i * 4)..]);
    }

    private static void UnsignedLong(ReadOnlySpan<byte> stored, Span<byte> elements)
    {
        Span<long> values = MemoryMarshal.Cast<byte, long>(elements);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = BinaryPrimitives.ReadInt64LittleEndian(stored[(i * 8)..]);
            if (values[i] < 0)
                throw new MuralException($"The checkpoint holds the unsigned value {(ulong)values[i]}, beyond the signed 64-bit integers libtorch has; convert it first.");
        }
    }
}
