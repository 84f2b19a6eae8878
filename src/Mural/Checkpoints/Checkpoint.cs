namespace Mural.Checkpoints;

/// <summary>Opens a checkpoint of any supported format, recognised by what the file holds and never by its name.</summary>
public static class Checkpoint
{
    private static readonly string[] Extensions = [".safetensors", ".pth", ".pt", ".ckpt", ".bin"];

    /// <summary>Opens a safetensors file, the index of a sharded one, a file of torch.save, or the folder that holds one of these.</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="limits">What a file may ask for; <see cref="CheckpointLimits.Default"/> when not given.</param>
    /// <returns>The checkpoint's tensors; dispose it when they are loaded.</returns>
    /// <exception cref="MuralException">There is no checkpoint, it is malformed, or a folder holds several.</exception>
    public static ITensorSource Open(string path, CheckpointLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (Directory.Exists(path)) path = FindIn(path);
        limits ??= CheckpointLimits.Default;
        return Read(path, (file, kind) =>
        {
            switch (kind)
            {
                case FileContent.Kind.Safetensors:
                    return SafetensorsFile.Read(file, limits);
                case FileContent.Kind.ShardIndex:
                    ShardedSafetensors shards = ShardedSafetensors.Read(file, limits);
                    file.Dispose();
                    return shards;
                default:
                    return TorchFile.Read(file, kind, limits);
            }
        });
    }

    /// <summary>Opens one file of a checkpoint in several.</summary>
    /// <exception cref="MuralException">It is missing or malformed.</exception>
    // No index: one that names itself would have no end. The reader of safetensors says of anything else what is wrong.
    internal static ITensorSource OpenShard(string path, CheckpointLimits limits) => Read(path, (file, kind) =>
        kind is FileContent.Kind.Zip or FileContent.Kind.LegacyTorch ? TorchFile.Read(file, kind, limits) : SafetensorsFile.Read(file, limits));

    // The file belongs to what is read from it.
    private static ITensorSource Read(string path, Func<MappedFile, FileContent.Kind, ITensorSource> read)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            return read(file, FileContent.Recognise(file));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static string FindIn(string folder)
    {
        string[] files = [.. Directory.GetFiles(folder).Order(StringComparer.Ordinal)];
        string[] Ending(string suffix) => [.. files.Where(file => file.EndsWith(suffix, StringComparison.OrdinalIgnoreCase))];
        string[] indexes = Ending(ShardIndex.Suffix);
        // The same weights may lie beside in PyTorch's format.
        if (indexes.Length == 0 && Ending(".safetensors").Length == 0) indexes = Ending(ShardIndex.TorchSuffix);
        if (indexes.Length == 1) return indexes[0];
        string[] weights = [.. files.Where(file => Extensions.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase))];
        if (indexes.Length == 0 && weights.Length > 0 && Preferred(weights) is { } chosen) return chosen;
        throw weights.Length + indexes.Length == 0
            ? new MuralException($"The folder {folder} holds no checkpoint ({string.Join(", ", Extensions)}); name a file or another folder.")
            : new MuralException(
                $"The folder {folder} holds several checkpoints ({string.Join(", ", weights.Concat(indexes).Take(10).Select(Path.GetFileName))}); name the file to open.");
    }

    // Trainers leave the averaged weights, which are the ones to use, beside the raw ones (nnet_ema.pth, nnet.pth); exporters leave one model in two
    // formats or precisions (model.safetensors, model.fp16.safetensors, model.bin).
    private static string? Preferred(string[] weights)
    {
        string[] safetensors = [.. weights.Where(file => file.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))];
        string[] candidates = safetensors.Length > 0 ? safetensors : weights;
        if (candidates.Length == 1) return candidates[0];
        string[] averaged = [.. candidates.Where(file => Path.GetFileNameWithoutExtension(file).EndsWith("_ema", StringComparison.OrdinalIgnoreCase))];
        if (averaged.Length == 1) return averaged[0];
        string[] plain = [.. candidates.Where(file => !Path.GetFileNameWithoutExtension(file).Contains('.', StringComparison.Ordinal))];
        return plain.Length == 1 ? plain[0] : null;
    }
}
