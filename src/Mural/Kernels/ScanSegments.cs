using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>
/// How the backward scan divides the tokens (spec dim.md 2.2): into chunks that are computed once more at a time, and those into a few segments. The forward pass keeps the state
/// before each segment but the first; a segment's further borders are computed from there. There are never more than <see cref="MostSegments"/>, so that what is kept does not grow
/// with the tokens.
/// </summary>
internal readonly struct ScanSegments
{
    internal const int MostSegments = 16;

    internal readonly int Chunk, Chunks;

    /// <summary>Chunks of a segment; the last segment may have fewer.</summary>
    internal readonly int ChunksPerSegment;

    internal readonly int Count;

    /// <param name="tokens">Tokens of the scan.</param>
    /// <param name="longestChunk">The most tokens that are computed once more at a time.</param>
    internal ScanSegments(int tokens, int longestChunk)
    {
        Chunks = AtLeastOne(tokens, longestChunk);
        Chunk = AtLeastOne(tokens, Chunks);
        // The division above can leave nothing for the last chunk.
        Chunks = AtLeastOne(tokens, Chunk);
        ChunksPerSegment = AtLeastOne(Chunks, MostSegments);
        Count = AtLeastOne(Chunks, ChunksPerSegment);
    }

    /// <summary>Tokens from the start of one segment to that of the next.</summary>
    internal int Tokens => ChunksPerSegment * Chunk;

    /// <summary>
    /// Room for the states that the forward pass keeps, one block of channels after the other. Float32. Shape: `[B, blocks, segments - 1, N · 64]`, N rounded up to whole groups.
    /// </summary>
    internal Tensor NewStates(in ScanProblem problem) => empty(problem.Batch, problem.Blocks, Count - 1, StatesOfBlock(problem), ScalarType.Float32);

    /// <summary>Place of the state before a segment in the memory of <see cref="NewStates"/>; the first segment has none.</summary>
    internal long At(in ScanProblem problem, int batch, int block, int segment) => (((long)batch * problem.Blocks + block) * (Count - 1) + segment - 1) * StatesOfBlock(problem);

    /// <summary>Numbers in the states of one block.</summary>
    internal static int StatesOfBlock(in ScanProblem problem) => ScanProblem.BlockChannels * problem.PaddedStates;

    private static int AtLeastOne(int count, int of) => Math.Max(1, (count + of - 1) / of);
}
