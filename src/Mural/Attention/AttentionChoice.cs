using System.Collections.Concurrent;
using System.Numerics;
using System.Runtime.Intrinsics;
using Mural.Kernels;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>A way of computing attention and why it was chosen.</summary>
internal sealed record AttentionDecision(AttentionWay Way, string Reason);

/// <summary>
/// The fastest way for a shape on this machine: by the processor's features alone wherever it is known, because another way rounds otherwise, and a seed is to give the same
/// picture in every run. On processors of other kinds all ways are tried once for each kind of shape, and only one that is faster beyond doubt takes the usual one's place.
/// </summary>
internal static class AttentionChoice
{
    // Below so many operations everything takes as long as a call does, of which our ways make more than libtorch.
    internal const double SmallWork = 2e6;

    private static readonly ConcurrentDictionary<AttentionShape, AttentionDecision> Calibrated = [];

    /// <summary>The way for a shape on the CPU, without gradients and masks.</summary>
    internal static AttentionDecision For(AttentionShape shape)
    {
        ProcessorFeatures processor = ProcessorFeatures.Current;
        List<AttentionWay> ways = Ways(shape, FlashAttention.Has, processor);
        if (ways.Count == 1) return new AttentionDecision(ways[0], "the only way for such inputs");
        if (shape.Operations < SmallWork) return new AttentionDecision(AttentionWay.Libtorch, "so little work is done in one call");
        if (Knows(processor, shape.Type))
            return new AttentionDecision(ways[0], $"the fastest on processors with {(processor.Avx512BFloat16 ? "AVX512-BF16" : processor.Avx512 ? "AVX-512" : "AVX2")}");
        return Calibrated.GetOrAdd(AttentionCalibration.Representative(shape), static (kind, ways) => AttentionCalibration.Run(kind, ways), ways);
    }

    /// <summary>Whether the order of <see cref="Ways"/> holds on such processors: all with AVX2, but for bfloat16 where AMX multiplies it.</summary>
    internal static bool Knows(ProcessorFeatures processor, ScalarType type) => processor.Avx2 && (type == ScalarType.Float32 || !processor.AmxBFloat16);

    /// <summary>All ways for inputs of a shape, the one first that was fastest wherever it was measured.</summary>
    internal static List<AttentionWay> Ways(AttentionShape shape, Func<AttentionWay, bool> has, ProcessorFeatures processor)
    {
        bool served = Rows.Serves(shape.Type) && shape.Size is > 0 and <= FlashAttention.LargestHead && shape is { Batch: > 0, Tokens: > 0, Keys: > 0 };
        if (!served) return [AttentionWay.Libtorch];
        List<AttentionWay> ways = [];
        bool rounded = shape.Type == ScalarType.BFloat16 && has(AttentionWay.FlashBFloat16);
        if (rounded && processor.MultipliesBFloat16) ways.Add(AttentionWay.FlashBFloat16);
        if (has(AttentionWay.FlashFloat32)) ways.Add(AttentionWay.FlashFloat32);
        if (Vector128.IsHardwareAccelerated && has(AttentionWay.FlashVectors)) ways.Add(AttentionWay.FlashVectors);
        // Emulated products are slower than converted operands.
        if (rounded && !processor.MultipliesBFloat16) ways.Add(AttentionWay.FlashBFloat16);
        return [.. ways, AttentionWay.Chunked, AttentionWay.Libtorch];
    }
}

/// <summary>Tries ways of computing attention against each other.</summary>
internal static class AttentionCalibration
{
    // So much faster must another way be than the usual one. Times differ by less than this from process to process, so that each takes the same way.
    private const double Doubt = 1.5;

    private const int MostTokens = 512, Rounds = 3;

    /// <summary>What stands for all shapes of a kind: sizes rounded up to powers of two, and a batch of one.</summary>
    internal static AttentionShape Representative(AttentionShape shape) => shape with
    {
        Batch = 1,
        Tokens = (long)Math.Min(MostTokens, BitOperations.RoundUpToPowerOf2((ulong)shape.Tokens)),
        Keys = (long)BitOperations.RoundUpToPowerOf2((ulong)shape.Keys),
    };

    /// <summary>The way that takes least time, if it is much less than the first one's; otherwise the first.</summary>
    internal static AttentionWay Fastest(IReadOnlyList<AttentionWay> ways, Func<AttentionWay, double> seconds)
    {
        (AttentionWay Way, double Seconds)[] timed = [.. ways.Select(way => (way, seconds(way)))];
        (AttentionWay Way, double Seconds) fastest = timed.MinBy(way => way.Seconds);
        return fastest.Seconds * Doubt < timed[0].Seconds ? fastest.Way : timed[0].Way;
    }

    /// <summary>Runs each way a few times, which takes a quarter of a second at most shapes.</summary>
    internal static AttentionDecision Run(AttentionShape shape, IReadOnlyList<AttentionWay> ways)
    {
        using var scope = NewDisposeScope();
        using var inference = inference_mode();
        Tensor Tokens(long count) => arange(count * shape.Heads * shape.Size, dtype: ScalarType.Float32).sin().view(1, count, shape.Heads * shape.Size).to(shape.Type);
        Tensor queries = Tokens(shape.Tokens), keys = Tokens(shape.Keys);
        AttentionWay fastest = Fastest(ways, way =>
        {
            double best = double.MaxValue;
            // The first round makes kernels and is not counted.
            for (int round = 0; round <= Rounds; round++)
            {
                var watch = System.Diagnostics.Stopwatch.StartNew();
                SoftmaxAttention.Apply(queries, keys, keys, shape.Heads, way).Dispose();
                if (round > 0) best = Math.Min(best, watch.Elapsed.TotalSeconds);
            }
            return best;
        });
        return new AttentionDecision(fastest, $"the fastest of {ways.Count} ways tried on this machine");
    }
}
