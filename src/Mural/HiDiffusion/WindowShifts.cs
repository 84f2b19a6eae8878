using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.HiDiffusion;

/// <summary>Where the windows of a run begin.</summary>
internal interface IWindowShifts
{
    /// <summary>The shift of a block's windows in the next call, in quarters of a window: one number from 0 to 3 for each picture of the batch, or one for all.</summary>
    /// <param name="block">The block, counted in the order in which windowed blocks run.</param>
    IReadOnlyList<int> Next(int block);
}

/// <summary>
/// Draws shifts from a source of each picture's own, beside that of its noise: a picture is the same alone and in a batch, and its noise the same with windows and without.
/// A block's shift is never the one that it had in the call before, so that the seams between windows never stay in one place.
/// </summary>
internal sealed class WindowShifts : IWindowShifts, IDisposable
{
    private const int Shifts = 4;

    private readonly SeededRandom[] _sources;
    private readonly Dictionary<int, int[]> _before = [];

    /// <param name="seeds">Those of the batch's pictures.</param>
    internal WindowShifts(IEnumerable<long> seeds) => _sources = [.. seeds.Select(seed => new SeededRandom(seed))];

    /// <inheritdoc/>
    public IReadOnlyList<int> Next(int block)
    {
        int[]? before = _before.GetValueOrDefault(block);
        return _before[block] = [.. _sources.Select((source, picture) => Draw(source, before?[picture]))];
    }

    /// <summary>The shift that a number stands for which is equally likely everywhere from 0 to below 1 (HiDiffusion specification 3.2); on a limit, the lower one.</summary>
    internal static int Of(double uniform) => Math.Max((int)Math.Ceiling(uniform * Shifts) - 1, 0);

    /// <summary>The next number of a source, as the official code draws it.</summary>
    internal static float Uniform(SeededRandom source)
    {
        using Tensor drawn = source.Uniform([1]);
        return drawn.item<float>();
    }

    private static int Draw(SeededRandom source, int? before)
    {
        int shift;
        do shift = Of(Uniform(source));
        while (shift == before);
        return shift;
    }

    public void Dispose()
    {
        foreach (SeededRandom source in _sources) source.Dispose();
    }
}
