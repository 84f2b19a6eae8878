namespace Mural.Pipelines;

/// <summary>What a run will need, told before it begins.</summary>
public sealed record MemoryForecast
{
    /// <summary>How the networks that are called for every step will run.</summary>
    public required MemoryMode Mode { get; init; }

    /// <summary>How the autoencoder will run; where that is whole, a picture's size alone may still ask for less.</summary>
    public MemoryMode CodecMode { get; init; }

    /// <summary>Its stages in order.</summary>
    public required IReadOnlyList<MemoryStage> Stages { get; init; }

    /// <summary>The most memory that it will hold at once, in bytes, the model with it.</summary>
    public double Peak => Stages.Max(stage => stage.Bytes);

    /// <summary>Bytes that it will need on the disk meanwhile, beside the stages' pictures.</summary>
    public double DiskBytes => Stages.Max(stage => stage.DiskBytes);
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
}
