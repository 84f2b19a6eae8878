using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>Writes a checkpoint as several safetensors files with an index, in the manner of transformers and diffusers.</summary>
public static class ShardedWriter
{
    private const string Extension = ".safetensors";

    /// <summary>
    /// Writes <c>NAME-00001-of-00003.safetensors</c> and so on with <c>NAME.safetensors.index.json</c>, or one file where that is enough. All shards are
    /// written beside their places before the first is renamed; the index comes last. What an earlier save of the same name left in another form, which would be taken for
    /// a part of this one, is removed.
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
        IReadOnlyList<string> before = FormsOf(path);
        if (shards.Count <= 1)
        {
            SafetensorsWriter.Save(path, SafetensorsLayout.Plan(tensors, metadata), cancellationToken);
            RemoveEarlier(before, path, sharded: false);
            return path;
        }
        string stem = StemOf(path);
        string indexPath = stem + ShardIndex.Suffix;
        var files = new Dictionary<string, string>();
        var staged = new List<(string Staged, string Path)>();
        try
        {
            for (int i = 0; i < shards.Count; i++)
            {
                string shardPath = $"{stem}-{i + 1:D5}-of-{shards.Count:D5}{Extension}";
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
        RemoveEarlier(before, path, sharded: true);
        return indexPath;
    }

    /// <summary>The files that a checkpoint of this name is kept in now: one file, or an index and the shards that it names, or both.</summary>
    /// <param name="path">The name a single file has.</param>
    internal static IReadOnlyList<string> FormsOf(string path)
    {
        string index = StemOf(path) + ShardIndex.Suffix, folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        var forms = new List<string>();
        if (File.Exists(path)) forms.Add(path);
        if (!File.Exists(index)) return forms;
        forms.Add(index);
        try
        {
            using MappedFile file = MappedFile.Open(index);
            forms.AddRange(ShardIndex.Read(file, CheckpointLimits.Default).Files.Values.Distinct().Select(name => Path.Combine(folder, name)).Where(File.Exists));
        }
        catch (MuralException)
        {
            // What a broken index named is anybody's guess, and nobody's to remove.
        }
        return forms;
    }

    /// <summary>Removes files of an earlier save that the one of now did not replace: they would be taken for a part of it, or for it.</summary>
    /// <param name="before">What <see cref="FormsOf"/> gave before.</param>
    /// <param name="path">The name a single file has.</param>
    /// <param name="sharded">Whether the save of now has shards.</param>
    /// <exception cref="MuralException">A file cannot be removed.</exception>
    internal static void RemoveEarlier(IReadOnlyList<string> before, string path, bool sharded)
    {
        if (!sharded) before = [.. before.Where(file => file != path)];
        else before = [.. before.Except(FormsOf(path).Where(file => file != path))];
        foreach (string file in before)
        {
            try
            {
                File.Delete(file);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                throw new MuralException(
                    $"{file} is of an earlier save and would be taken for a part of this one, but cannot be removed ({error.Message.TrimEnd('.')}); remove it.", error);
            }
        }
    }

    private static string StemOf(string path) => path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase) ? path[..^Extension.Length] : path;

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
