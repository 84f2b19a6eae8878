using Mural.UNet;

namespace Mural.HiDiffusion;

/// <summary>What HiDiffusion does in one network call: the UNet's blocks look here whether it concerns them.</summary>
internal sealed record HiDiffusionStep
{
    /// <summary>Windows nowhere.</summary>
    internal static readonly IReadOnlyDictionary<BlockPlace, IReadOnlyList<int>> NoWindows = new Dictionary<BlockPlace, IReadOnlyList<int>>();

    /// <summary>The level whose step down is twice as large, or null for none.</summary>
    internal int? StridedLevel { get; init; }

    /// <summary>The level whose map is halved, or null for none.</summary>
    internal int? PooledLevel { get; init; }

    /// <summary>Whether the step up that answers <see cref="StridedLevel"/> is the smoother one of the first release.</summary>
    internal bool EarlierUpsampler { get; init; }

    /// <summary>Whether windows are cut from maps resized to even sides.</summary>
    internal bool ResizesOddMaps { get; init; }

    /// <summary>For each windowed block, by how many quarters of a window its windows are shifted: one number for each picture of the batch, or one for all.</summary>
    internal IReadOnlyDictionary<BlockPlace, IReadOnlyList<int>> Windows { get; init; } = NoWindows;

    /// <summary>Whether the step up to a level is the smoother one of the first release.</summary>
    internal bool EnlargesSmoothly(int level) => EarlierUpsampler && level == StridedLevel;
}
