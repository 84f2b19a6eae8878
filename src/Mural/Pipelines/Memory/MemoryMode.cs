namespace Mural.Pipelines;

/// <summary>How a run trades time for memory; the picture stays the same but for rounding.</summary>
public enum MemoryMode
{
    /// <summary>Every layer sees its whole map: the fastest.</summary>
    Whole,

    /// <summary>Layers see some rows or tokens at a time, and guidance is one network call after the other.</summary>
    Strips,

    /// <summary>The same, with the network's skips and the autoencoder's maps on the disk, for runs on the CPU.</summary>
    Disk,
}
