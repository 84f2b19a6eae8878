using System.Diagnostics;
using static TorchSharp.torch;

namespace Mural.Cli.Machine;

/// <summary>How fast the machine moves what does not fit its caches.</summary>
internal static class MemoryBandwidth
{
    private const long Bytes = 256L << 20;
    private const int Runs = 5;

    /// <summary>Gigabytes read and written in a second by copying, the best of a few times.</summary>
    internal static double Measure()
    {
        using Tensor source = zeros(Bytes / sizeof(float)), target = zeros(Bytes / sizeof(float));
        double best = double.PositiveInfinity;
        for (int i = 0; i < Runs; i++)
        {
            long start = Stopwatch.GetTimestamp();
            target.copy_(source);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return 2 * Bytes / best / 1e9;
    }
}
