namespace Mural.Runtime;

/// <summary>The number format that weights and activations are held in.</summary>
public enum Precision
{
    /// <summary>32-bit floating point.</summary>
    Float32,

    /// <summary>bfloat16: the range of float32 with 8 significant bits.</summary>
    BFloat16,

    /// <summary>IEEE half precision.</summary>
    Float16,
}
