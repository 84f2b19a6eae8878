namespace Mural.Pipelines;

/// <summary>What an autoencoder takes for pictures of a size.</summary>
/// <param name="Mode">How it runs, the size considered.</param>
/// <param name="Encode">Of encoding one.</param>
/// <param name="Decode">Of decoding one.</param>
/// <param name="EncodeDiskBytes">Maps on the disk while one is encoded.</param>
/// <param name="DecodeDiskBytes">Maps on the disk while one is decoded.</param>
internal readonly record struct CodecEstimate(MemoryMode Mode, LiveBytes Encode, LiveBytes Decode, double EncodeDiskBytes = 0, double DecodeDiskBytes = 0);
