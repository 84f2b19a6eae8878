using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>
/// Named tensors of an open checkpoint, whatever its format. Opening reads names and shapes only; data is read tensor by tensor. Reading from
/// several threads at once is safe as long as none of them disposes the source.
/// </summary>
public interface ITensorSource : IDisposable
{
    /// <summary>The file or folder that was opened.</summary>
    string Path { get; }

    /// <summary>The format by name, for people: <c>safetensors</c>, <c>sharded safetensors</c>, <c>sharded PyTorch</c>, <c>PyTorch zip</c>, <c>PyTorch before 1.6</c>.</summary>
    string Format { get; }

    /// <summary>The tensors by name.</summary>
    IReadOnlyDictionary<string, TensorEntry> Tensors { get; }

    /// <summary>Free text entries that describe the checkpoint; empty where the format has none.</summary>
    IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Reads one tensor to the CPU, contiguous, converted to <paramref name="type"/> when given.</summary>
    /// <param name="name">A key of <see cref="Tensors"/>.</param>
    /// <param name="type">The type wanted, or null for the entry's own.</param>
    /// <returns>A new tensor that belongs to the caller.</returns>
    /// <exception cref="MuralException">There is no tensor of this name.</exception>
    Tensor Read(string name, ScalarType? type = null);

    /// <summary>
    /// Copies one tensor into an existing one of the same shape, on any device and of any type, without a second whole copy. Gradients are not recorded.
    /// </summary>
    /// <param name="name">A key of <see cref="Tensors"/>.</param>
    /// <param name="destination">The tensor to overwrite.</param>
    /// <exception cref="MuralException">There is no tensor of this name, or its shape is another.</exception>
    void CopyInto(string name, Tensor destination);
}
