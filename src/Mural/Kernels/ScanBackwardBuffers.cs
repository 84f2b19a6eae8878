namespace Mural.Kernels;

/// <summary>One worker's place in a backward scan: a block of channels of one sample.</summary>
internal readonly struct ScanBlock(in ScanProblem problem, int block, int batch, int lanes)
{
    internal readonly int Batch = batch;

    /// <summary>First channel.</summary>
    internal readonly int First = block * ScanProblem.BlockChannels;

    internal readonly int Channels = Math.Min(ScanProblem.BlockChannels, problem.Channels - block * ScanProblem.BlockChannels);

    /// <summary>Vectors that hold the channels, rounded up to whole groups of <see cref="ScanBackwardBuffers.Together"/>; what is beyond the channels is zero.</summary>
    internal readonly int Vectors =
        (Math.Min(ScanProblem.BlockChannels, problem.Channels - block * ScanProblem.BlockChannels) + ScanBackwardBuffers.Together * lanes - 1)
        / (ScanBackwardBuffers.Together * lanes) * ScanBackwardBuffers.Together;
}

/// <summary>
/// What one worker of the backward scan keeps: buffers of one chunk of a block of channels, `[four vectors][token][vector][lane]`; decays, states and lanes of the gradients
/// of B and C of one chunk, for one state of four vectors; border states of every chunk of one segment.
/// </summary>
internal readonly unsafe struct ScanBackwardBuffers
{
    /// <summary>Vectors of channels that the inner loops take together.</summary>
    internal const int Together = 4;

    internal readonly int Chunk;
    internal readonly float* Delta, Slope, U, Open, GradY, Y, InputSum, RateSum, B, C, Decays, States, LanesB, LanesC, Rates, Carry,
        GradRates, Borders, Skip, Bias, GradSkip, GradBias;

    internal ScanBackwardBuffers(float* memory, in Layout layout)
    {
        Chunk = layout.Chunk;
        float* next = memory;
        Delta = Take(ref next, layout.Plane);
        Slope = Take(ref next, layout.Plane);
        U = Take(ref next, layout.Plane);
        Open = Take(ref next, layout.Plane);
        GradY = Take(ref next, layout.Plane);
        Y = Take(ref next, layout.Plane);
        InputSum = Take(ref next, layout.Plane);
        RateSum = Take(ref next, layout.Plane);
        B = Take(ref next, layout.Vectors);
        C = Take(ref next, layout.Vectors);
        Decays = Take(ref next, layout.Kept);
        States = Take(ref next, layout.Kept);
        LanesB = Take(ref next, layout.Summed);
        LanesC = Take(ref next, layout.Summed);
        Rates = Take(ref next, layout.States);
        Carry = Take(ref next, layout.States);
        GradRates = Take(ref next, layout.States);
        Borders = Take(ref next, layout.States * layout.Borders);
        Skip = Take(ref next, ScanProblem.BlockChannels);
        Bias = Take(ref next, ScanProblem.BlockChannels);
        GradSkip = Take(ref next, ScanProblem.BlockChannels);
        GradBias = Take(ref next, ScanProblem.BlockChannels);
    }

    /// <summary>Place of a token of one vector of channels.</summary>
    internal int At(int vector, int token, int lanes) => ((vector / Together * Chunk + token) * Together + vector % Together) * lanes;

    private static float* Take(ref float* next, long count)
    {
        float* start = next;
        next += count;
        return start;
    }

    /// <summary>Sizes of the buffers, in numbers; each is a multiple of a cache line.</summary>
    internal readonly struct Layout
    {
        internal readonly int Chunk, Borders;
        internal readonly long Plane, Vectors, Kept, Summed, States;

        internal Layout(in ScanProblem problem, in ScanSegments segments, int lanes)
        {
            Chunk = segments.Chunk;
            Borders = segments.ChunksPerSegment;
            Plane = (long)Chunk * ScanProblem.BlockChannels;
            Vectors = ((long)Chunk * problem.PaddedStates + Lanes.Most - 1) / Lanes.Most * Lanes.Most;
            Kept = ((Chunk + 1L) * Together * lanes + Lanes.Most - 1) / Lanes.Most * Lanes.Most;
            Summed = (Chunk + 3L) / 4 * 4 * Lanes.Most;
            States = ScanSegments.StatesOfBlock(problem);
        }

        internal long Size => 8 * Plane + 2 * (Vectors + Kept + Summed) + (3 + Borders) * States + 4 * ScanProblem.BlockChannels;
    }
}
