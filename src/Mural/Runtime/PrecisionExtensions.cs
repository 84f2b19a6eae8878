using static TorchSharp.torch;

namespace Mural.Runtime;

/// <summary>Names and tensor types of <see cref="Precision"/>.</summary>
public static class PrecisionExtensions
{
    /// <summary>The tensor type that holds this precision.</summary>
    public static ScalarType ToScalarType(this Precision precision) => precision switch
    {
        Precision.Float32 => ScalarType.Float32,
        Precision.BFloat16 => ScalarType.BFloat16,
        Precision.Float16 => ScalarType.Float16,
        _ => throw new ArgumentOutOfRangeException(nameof(precision)),
    };

    /// <summary>The short name: f32, bf16 or f16.</summary>
    public static string ShortName(this Precision precision) => precision switch
    {
        Precision.Float32 => "f32",
        Precision.BFloat16 => "bf16",
        Precision.Float16 => "f16",
        _ => throw new ArgumentOutOfRangeException(nameof(precision)),
    };
}
