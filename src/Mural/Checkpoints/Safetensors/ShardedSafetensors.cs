using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>A checkpoint in several files, of safetensors or of torch.save, opened through its index; its tensors read as if they lay in one file.</summary>
public sealed class ShardedSafetensors : ITensorSource
{
    private readonly Dictionary<string, ITensorSource> _shards;
    private readonly Dictionary<string, ITensorSource> _holders;

    private ShardedSafetensors(string path, ShardIndex index, Dictionary<string, ITensorSource> shards)
    {
        Path = path;
        _shards = shards;
        _holders = index.Files.ToDictionary(pair => pair.Key, pair => shards[pair.Value]);
        Tensors = _holders.ToDictionary(pair => pair.Key, pair => pair.Value.Tensors[pair.Key]);
        Dictionary<string, string> metadata = [];
        foreach (ITensorSource shard in shards.Values)
            foreach ((string key, string value) in shard.Metadata) metadata.TryAdd(key, value);
        foreach ((string key, string value) in index.Metadata) metadata.TryAdd(key, value);
        Metadata = metadata;
    }

    /// <summary>The index that was opened.</summary>
    public string Path { get; }

    /// <inheritdoc/>
    public string Format => _shards.Values.Any(shard => shard is TorchFile) ? "sharded PyTorch" : "sharded safetensors";

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorEntry> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The shards' file names.</summary>
    internal IReadOnlyCollection<string> Shards => _shards.Keys;

    /// <summary>Opens an index and every shard it names.</summary>
    /// <param name="path">The file <c>NAME.safetensors.index.json</c>, or <c>NAME.bin.index.json</c>.</param>
    /// <param name="limits">What each file may ask for; <see cref="CheckpointLimits.Default"/> when not given.</param>
    /// <exception cref="MuralException">The index is malformed, a shard is missing or malformed, or they contradict each other.</exception>
    public static ShardedSafetensors Open(string path, CheckpointLimits? limits = null)
    {
        using MappedFile file = MappedFile.Open(path);
        FileContent.RefuseWhatIsNoCheckpoint(file);
        return Read(file, limits ?? CheckpointLimits.Default);
    }

    /// <summary>Opens the shards that a mapped index names.</summary>
    internal static ShardedSafetensors Read(MappedFile file, CheckpointLimits limits)
    {
        string path = file.Path;
        ShardIndex index = ShardIndex.Read(file, limits);
        string folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;
        string[] names = [.. index.Files.Values.Distinct().Order(StringComparer.Ordinal)];
        string[] missing = [.. names.Where(name => !File.Exists(System.IO.Path.Combine(folder, name)))];
        if (missing.Length > 0)
            throw new MuralException($"{path} names {names.Length} shards of which {missing.Length} are not beside it ({string.Join(", ", missing.Take(10).Select(Quote.Name))}); "
                + "download the missing ones.");
        var shards = new Dictionary<string, ITensorSource>();
        try
        {
            foreach (string name in names) shards.Add(name, Checkpoint.OpenShard(System.IO.Path.Combine(folder, name), limits));
            CheckAgreement(path, index, shards);
            return new ShardedSafetensors(path, index, shards);
        }
        catch
        {
            foreach (ITensorSource shard in shards.Values) shard.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public Tensor Read(string name, ScalarType? type = null) => TensorReading.Read(this, name, type);

    /// <inheritdoc/>
    public void CopyInto(string name, Tensor destination)
    {
        TensorReading.Check(this, name, destination);
        _holders[name].CopyInto(name, destination);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ITensorSource shard in _shards.Values) shard.Dispose();
    }

    private static void CheckAgreement(string path, ShardIndex index, Dictionary<string, ITensorSource> shards)
    {
        foreach ((string name, string shard) in index.Files)
            if (!shards[shard].Tensors.ContainsKey(name))
                throw new MuralException($"{path} says that {Quote.Name(shard)} holds the tensor {Quote.Name(name)}, but it does not; "
                    + "the index and the shards are of different exports, so download them again together.");
        foreach ((string shard, ITensorSource file) in shards)
        {
            string? stranger = file.Tensors.Keys.FirstOrDefault(name => !index.Files.TryGetValue(name, out string? holder) || holder != shard);
            if (stranger is not null)
                throw new MuralException($"{path} does not say that {Quote.Name(shard)} holds the tensor {Quote.Name(stranger)}; "
                    + "the index and the shards are of different exports, so download them again together.");
        }
    }
}
