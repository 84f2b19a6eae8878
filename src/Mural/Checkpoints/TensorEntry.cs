using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>What a checkpoint says of one tensor, known without reading its data.</summary>
/// <param name="Name">The tensor's name, such as <c>transformer_blocks.0.attn1.A_log</c>.</param>
/// <param name="Type">
/// The type it is read as unless another is asked for: the stored one where libtorch has it, else the smallest that holds every value.
/// </param>
/// <param name="Shape">The sizes, empty for a scalar; a size may be 0.</param>
/// <param name="Offset">Where its bytes begin, counted from the start of the file that holds them.</param>
/// <param name="Bytes">How many bytes the file holds for it.</param>
public sealed record TensorEntry(string Name, ScalarType Type, long[] Shape, long Offset, long Bytes)
{
    /// <summary>The type in the file by its safetensors name, such as <c>BF16</c> or <c>F8_E4M3</c>.</summary>
    public string Stored { get; init; } = "";

    /// <summary>The number of elements.</summary>
    public long Elements
    {
        get
        {
            long elements = 1;
            foreach (long size in Shape) elements *= size;
            return elements;
        }
    }
}
