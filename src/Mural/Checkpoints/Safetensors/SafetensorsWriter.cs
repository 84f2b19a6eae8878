using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>
/// Writes safetensors files (https://huggingface.co/docs/safetensors): tensors by descending element size, then by name, so that each is aligned; the
/// header padded to a multiple of 8. Files appear whole or not at all.
/// </summary>
public static class SafetensorsWriter
{
    /// <summary>Creates or replaces a file, tensor by tensor, with no second copy of the model in memory.</summary>
    /// <param name="path">The file; its folder is created when missing.</param>
    /// <param name="tensors">The tensors by name, on any device.</param>
    /// <param name="metadata">Free text entries; <c>format</c> is set to <c>pt</c> unless given, because other readers insist on it.</param>
    /// <param name="type">The type floating-point tensors are written in, or null for their own; others keep theirs.</param>
    /// <param name="cancellationToken">Stops between two pieces; nothing is left behind then.</param>
    /// <exception cref="MuralException">The file cannot be written, or a tensor has a type or values that the file cannot hold.</exception>
    public static void Save(
        string path,
        IReadOnlyDictionary<string, Tensor> tensors,
        IReadOnlyDictionary<string, string>? metadata = null,
        ScalarType? type = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        Save(path, SafetensorsLayout.Plan([.. tensors.Select(named => PendingTensor.From(named.Key, named.Value, type))], metadata), cancellationToken);
    }

    /// <summary>Copies another checkpoint, of any format, into a safetensors file.</summary>
    /// <inheritdoc cref="Save(string, IReadOnlyDictionary{string, Tensor}, IReadOnlyDictionary{string, string}?, ScalarType?, CancellationToken)"/>
    /// <param name="path">The file; its folder is created when missing.</param>
    /// <param name="source">The checkpoint to copy.</param>
    /// <param name="metadata">Free text entries instead of the source's own, or null to keep these.</param>
    /// <param name="type">The type floating-point tensors are written in, or null for their own; others keep theirs.</param>
    /// <param name="cancellationToken">Stops between two pieces; nothing is left behind then.</param>
    public static void Save(
        string path,
        ITensorSource source,
        IReadOnlyDictionary<string, string>? metadata = null,
        ScalarType? type = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        Save(path, SafetensorsLayout.Plan([.. source.Tensors.Values.Select(entry => PendingTensor.From(source, entry, type))], metadata ?? source.Metadata), cancellationToken);
    }

    internal static void Save(string path, SafetensorsLayout layout, CancellationToken cancellationToken) =>
        AtomicFile.Write(path, layout.FileBytes, stream => Write(stream, layout, cancellationToken));

    internal static void Write(Stream stream, SafetensorsLayout layout, CancellationToken cancellationToken)
    {
        stream.Write(layout.Header);
        foreach (PendingTensor pending in layout.Tensors) pending.WriteTo(stream, cancellationToken);
    }
}
