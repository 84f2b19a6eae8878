namespace Mural.Pipelines;

/// <summary>What a run will need, told before it begins.</summary>
public sealed record MemoryForecast
{
    /// <summary>How the networks that are called for every step will run.</summary>
    public required MemoryMode Mode { get; init; }

    /// <summary>How the autoencoder will run; where the sizes of a large picture's stages ask for different ways, that of the largest.</summary>
    public MemoryMode CodecMode => Stages.Where(stage => stage.IsCodec).Select(stage => stage.Mode).DefaultIfEmpty().Max();

    /// <summary>How the autoencoder shall run; where that is whole, a picture's size alone may still ask for less.</summary>
    internal MemoryMode AskedCodecMode { get; init; }

    /// <summary>Its stages in order.</summary>
    public required IReadOnlyList<MemoryStage> Stages { get; init; }

    /// <summary>The most memory that it will hold at once, in bytes, the model with it.</summary>
    public double Peak => Stages.Max(stage => stage.Bytes);

    /// <summary>Bytes that it will need on the disk meanwhile, beside the stages' pictures.</summary>
    public double DiskBytes => Stages.Max(stage => stage.DiskBytes);

    /// <summary>The same for a large picture of which so many stages are finished.</summary>
    internal double DiskBytesBeyond(int finished) => Stages.Where(stage => stage.PictureStage >= finished).Select(stage => stage.DiskBytes).DefaultIfEmpty().Max();
}

/// <summary>One part of a run.</summary>
/// <param name="Name">What is done.</param>
/// <param name="Bytes">Memory that it holds at most, in bytes, the model with it.</param>
/// <param name="MultiplyAdds">Multiply-adds of all its network calls, from which its time can be told.</param>
/// <param name="DiskBytes">Bytes on the disk.</param>
public sealed record MemoryStage(string Name, double Bytes, double MultiplyAdds, double DiskBytes)
{
    /// <summary>Whether the autoencoder does it.</summary>
    internal bool IsCodec { get; init; }

    /// <summary>How its network runs.</summary>
    internal MemoryMode Mode { get; init; }

    /// <summary>The stage of a large picture that it belongs to, from 0.</summary>
    internal int PictureStage { get; init; }
}
