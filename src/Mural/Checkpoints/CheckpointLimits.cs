namespace Mural.Checkpoints;

/// <summary>
/// What a checkpoint file may ask for before it is refused. The defaults leave room for every checkpoint seen in the field; a service that opens
/// strangers' files may pass smaller ones.
/// </summary>
public sealed record CheckpointLimits
{
    /// <summary>The limits used where none are given.</summary>
    public static CheckpointLimits Default { get; } = new();

    /// <summary>Bytes of a safetensors header or of a shard index.</summary>
    public int HeaderBytes { get; init; } = 100_000_000;

    /// <summary>Dimensions of a tensor.</summary>
    public int Rank { get; init; } = 8;

    /// <summary>Characters of a tensor's name, nested names joined.</summary>
    public int NameLength { get; init; } = 4096;

    /// <summary>Entries of a zip archive.</summary>
    public int ArchiveEntries { get; init; } = 1_000_000;

    /// <summary>Bytes of a pickle.</summary>
    public int PickleBytes { get; init; } = 256_000_000;

    /// <summary>Instructions of a pickle, each of which makes at most one object.</summary>
    public int PickleInstructions { get; init; } = 10_000_000;

    /// <summary>Values on a pickle's stack at once.</summary>
    public int PickleStack { get; init; } = 1_000_000;

    /// <summary>Objects a pickle remembers for later use.</summary>
    public int PickleMemo { get; init; } = 4_000_000;

    /// <summary>Bytes of one string in a pickle.</summary>
    public int StringBytes { get; init; } = 16_000_000;

    /// <summary>Bytes of one integer in a pickle.</summary>
    public int IntegerBytes { get; init; } = 256;

    /// <summary>Dictionaries and lists inside each other.</summary>
    public int Depth { get; init; } = 128;

    /// <summary>
    /// How many times the file's own size its tensors may hold together when each is read: several tensors may view one stored block, which a hostile
    /// file could use to fill the memory.
    /// </summary>
    public int Expansion { get; init; } = 16;
}
