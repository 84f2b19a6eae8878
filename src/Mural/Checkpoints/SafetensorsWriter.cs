using System.Text.Json;
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
    public static void Save(string path, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata = null, ScalarType? type = null, CancellationToken cancellationToken = default)
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
    public static void Save(string path, ITensorSource source, IReadOnlyDictionary<string, string>? metadata = null, ScalarType? type = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        Save(path, SafetensorsLayout.Plan([.. source.Tensors.Values.Select(entry => PendingTensor.From(source, entry, type))], metadata ?? source.Metadata), cancellationToken);
    }

    internal static void Save(string path, SafetensorsLayout layout, CancellationToken cancellationToken) =>
        AtomicFile.Write(path, layout.FileBytes, stream => Write(stream, layout, cancellationToken));

    internal static void Write(Stream stream, SafetensorsLayout layout, CancellationToken cancellationToken)
    {
        stream.Write(layout.Header);
        foreach (PendingTensor pending in layout.Tensors)
        {
            using Tensor tensor = pending.Open();
            if (!tensor.shape.AsSpan().SequenceEqual(pending.Shape))
                throw new InvalidOperationException($"The tensor {pending.Name} changed its shape while it was being saved.");
            bool mayOverflow = pending.Type == ScalarType.Float16 && tensor.dtype is ScalarType.Float32 or ScalarType.Float64 or ScalarType.BFloat16;
            TensorPieces.Drain(tensor, pending.Type, piece =>
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (mayOverflow && piece.isinf().any().item<bool>() && tensor.detach().isfinite().all().item<bool>())
                    throw new MuralException($"The tensor {pending.Name} has values beyond the 65504 of float16; write it as bfloat16 or float32.");
                stream.Write(piece.bytes);
            });
        }
    }
}

/// <summary>A tensor about to be written, opened only when its turn comes.</summary>
internal sealed record PendingTensor(string Name, ScalarType Type, long[] Shape, Func<Tensor> Open)
{
    internal long Bytes { get; } = checked(SafetensorsType.Of(Type, Name).Bytes * new TensorEntry(Name, Type, Shape, 0, 0).Elements);

    internal static PendingTensor From(string name, Tensor tensor, ScalarType? type) =>
        new(name, Target(tensor.dtype, type), tensor.shape, () => tensor.detach());

    internal static PendingTensor From(ITensorSource source, TensorEntry entry, ScalarType? type) =>
        new(entry.Name, Target(entry.Type, type), entry.Shape, () => source.Read(entry.Name));

    private static ScalarType Target(ScalarType own, ScalarType? wanted) =>
        own is ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64 ? wanted ?? own : own;
}

/// <summary>The order of the tensors in a safetensors file and the header that says so.</summary>
internal sealed record SafetensorsLayout(IReadOnlyList<PendingTensor> Tensors, byte[] Header, long FileBytes)
{
    internal static SafetensorsLayout Plan(IReadOnlyCollection<PendingTensor> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        PendingTensor[] ordered =
        [
            .. tensors.OrderByDescending(tensor => SafetensorsType.Of(tensor.Type, tensor.Name).Bytes).ThenBy(tensor => tensor.Name, StringComparer.Ordinal),
        ];
        using var json = new MemoryStream();
        json.Write(new byte[8]);
        long offset = 0;
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            writer.WriteStartObject("__metadata__");
            if (metadata is null || !metadata.ContainsKey("format")) writer.WriteString("format", "pt");
            foreach ((string key, string value) in metadata ?? new Dictionary<string, string>()) writer.WriteString(key, value);
            writer.WriteEndObject();
            foreach (PendingTensor tensor in ordered)
            {
                if (tensor.Name == "__metadata__") throw new MuralException("A tensor cannot be named __metadata__ in a safetensors file; rename it.");
                writer.WriteStartObject(tensor.Name);
                writer.WriteString("dtype", SafetensorsType.Of(tensor.Type, tensor.Name).Name);
                writer.WriteStartArray("shape");
                foreach (long size in tensor.Shape) writer.WriteNumberValue(size);
                writer.WriteEndArray();
                writer.WriteStartArray("data_offsets");
                writer.WriteNumberValue(offset);
                writer.WriteNumberValue(offset = checked(offset + tensor.Bytes));
                writer.WriteEndArray();
                writer.WriteEndObject();
            }
            writer.WriteEndObject();
        }
        while (json.Length % 8 != 0) json.WriteByte((byte)' ');
        byte[] header = json.ToArray();
        BitConverter.TryWriteBytes(header, header.LongLength - 8);
        return new SafetensorsLayout(ordered, header, checked(header.LongLength + offset));
    }
}
