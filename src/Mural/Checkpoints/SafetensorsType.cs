using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>A type of the safetensors format: its name, its size, and the libtorch type its values are read as.</summary>
internal sealed record SafetensorsType(string Name, int Bytes, ScalarType Type)
{
    // Types that libtorch has come first: writing looks them up by their libtorch type.
    private static readonly SafetensorsType[] All =
    [
        new("F64", 8, ScalarType.Float64),
        new("F32", 4, ScalarType.Float32),
        new("F16", 2, ScalarType.Float16),
        new("BF16", 2, ScalarType.BFloat16),
        new("I64", 8, ScalarType.Int64),
        new("I32", 4, ScalarType.Int32),
        new("I16", 2, ScalarType.Int16),
        new("I8", 1, ScalarType.Int8),
        new("U8", 1, ScalarType.Byte),
        new("BOOL", 1, ScalarType.Bool),
        new("C64", 8, ScalarType.ComplexFloat32),
    ];

    internal static SafetensorsType? Find(string name) => Array.Find(All, type => type.Name == name);

    /// <summary>The type that holds values of a libtorch type.</summary>
    internal static SafetensorsType Of(ScalarType type, string tensor) => Array.Find(All, candidate => candidate.Type == type)
        ?? throw new MuralException($"The tensor {tensor} has the type {type}, which a safetensors file cannot hold; convert it first.");
}
