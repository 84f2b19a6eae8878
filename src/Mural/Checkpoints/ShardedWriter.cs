using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>Writes a checkpoint as several safetensors files with an index, in the manner of transformers and diffusers.</summary>
public static class ShardedWriter
{
    /// <summary>
    /// Writes <c>NAME-00001-of-00003.safetensors</c> and so on with <c>NAME.safetensors.index.json</c>, or one file where that is enough. All shards are
    /// written beside their places before the first is renamed; the index comes last.
    /// </summary>
    /// <param name="path">The name a single file would have, such as <c>folder/model.safetensors</c>.</param>
    /// <param name="tensors">The tensors by name, on any device; shards follow their order.</param>
    /// <param name="maxShardBytes">The most bytes of tensors in a shard; a larger tensor gets a shard of its own.</param>
    /// <param name="metadata">Free text entries, repeated in each shard.</param>
    /// <param name="type">The type floating-point tensors are written in, or null for their own; others keep theirs.</param>
    /// <param name="cancellationToken">Stops between two pieces; nothing is left behind then.</param>
    /// <returns>The file to open: the index, or the single file.</returns>
    /// <exception cref="MuralException">A file cannot be written, or a tensor has a type or values that the files cannot hold.</exception>
    public static string Save(
        string path,
        IReadOnlyDictionary<string, Tensor> tensors,
        long maxShardBytes,
        IReadOnlyDictionary<string, string>? metadata = null,
        ScalarType? type = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        return Save(path, [.. tensors.Select(named => PendingTensor.From(named.Key, named.Value, type))], maxShardBytes, metadata, cancellationToken);
    }

    /// <summary>Copies another checkpoint, of any format, into shards.</summary>
    /// <inheritdoc cref="Save(string, IReadOnlyDictionary{string, Tensor}, long, IReadOnlyDictionary{string, string}?, ScalarType?, CancellationToken)"/>
    /// <param name="path">The name a single file would have, such as <c>folder/model.safetensors</c>.</param>
    /// <param name="source">The checkpoint to copy.</param>
    /// <param name="maxShardBytes">The most bytes of tensors in a shard; a larger tensor gets a shard of its own.</param>
    /// <param name="metadata">Free text entries instead of the source's own, or null to keep these.</param>
    /// <param name="type">The type floating-point tensors are written in, or null for their own; others keep theirs.</param>
    /// <param name="cancellationToken">Stops between two pieces; nothing is left behind then.</param>
    public static string Save(
        string path,
        ITensorSource source,
        long maxShardBytes,
        IReadOnlyDictionary<string, string>? metadata = null,
        ScalarType? type = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        return Save(path, [.. source.Tensors.Values.Select(entry => PendingTensor.From(source, entry, type))], maxShardBytes, metadata ?? source.Metadata, cancellationToken);
    }

    private static string Save(
        string path,
        PendingTensor[] tensors,
        long maxShardBytes,
        IReadOnlyDictionary<string, string>? metadata,
        CancellationToken cancellationToken)
    {
        if (maxShardBytes < 1)
            throw new MuralException($"The largest size of a shard is {maxShardBytes} bytes where a positive number was expected; leave it out for a single file.");
        List<List<PendingTensor>> shards = Divide(tensors, maxShardBytes);
        if (shards.Count <= 1)
        {
            SafetensorsWriter.Save(path, SafetensorsLayout.Plan(tensors, metadata), cancellationToken);
            return path;
        }
        string stem = path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase) ? path[..^".safetensors".Length] : path;
        string indexPath = stem + ShardIndex.Suffix;
        var files = new Dictionary<string, string>();
        var staged = new List<(string Staged, string Path)>();
        try
        {
            for (int i = 0; i < shards.Count; i++)
            {
                string shardPath = $"{stem}-{i + 1:D5}-of-{shards.Count:D5}.safetensors";
                SafetensorsLayout layout = SafetensorsLayout.Plan(shards[i], metadata);
                staged.Add((AtomicFile.Stage(shardPath, layout.FileBytes, stream => SafetensorsWriter.Write(stream, layout, cancellationToken)), shardPath));
                foreach (PendingTensor tensor in shards[i]) files.Add(tensor.Name, Path.GetFileName(shardPath));
            }
            byte[] index = ShardIndex.Write(files, tensors.Sum(tensor => tensor.Bytes));
            staged.Add((AtomicFile.Stage(indexPath, index.Length, stream => stream.Write(index)), indexPath));
            foreach ((string file, string final) in staged) AtomicFile.Commit(file, final);
        }
        catch
        {
            foreach ((string file, _) in staged) AtomicFile.Discard(file);
            throw;
        }
        return indexPath;
    }

    private static List<List<PendingTensor>> Divide(PendingTensor[] tensors, long maxShardBytes)
    {
        var shards = new List<List<PendingTensor>>();
        long room = 0;
        foreach (PendingTensor tensor in tensors)
        {
            if (shards.Count == 0 || (tensor.Bytes > room && shards[^1].Count > 0))
            {
                shards.Add([]);
                room = maxShardBytes;
            }
            shards[^1].Add(tensor);
            room -= tensor.Bytes;
        }
        return shards;
    }
}
