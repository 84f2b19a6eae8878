using Mural.Kernels;
using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>One call of <see cref="FlashAttention"/> as its passes see it. Good while its tensors are.</summary>
internal sealed unsafe class FlashProblem
{
    /// <summary>Queries of a block: the columns of all small matrices.</summary>
    internal const int QueryBlock = 64;

    // Scores of a block of queries take 64 KiB: longer blocks gained nothing, shorter ones cost more calls.
    private const int LongestKeyBlock = 256;

    private readonly HeadRows _queries, _keys, _output;
    private readonly TransposedValues _values;
    private readonly bool _sharedKeys;
    private readonly int _heads, _blocks;

    /// <param name="queries">Shape: `[B, heads, N, score size]`.</param>
    /// <param name="keys">In the queries' type. Shape: `[B, heads, T, score size]` or `[1, heads, T, score size]`.</param>
    /// <param name="values">Likewise. Shape: `[B, heads, T, d]` or `[1, heads, T, d]`.</param>
    /// <param name="output">float32 or bfloat16. Shape: `[B, heads, N, d]`.</param>
    internal FlashProblem(Tensor queries, Tensor keys, Tensor values, Tensor output)
    {
        _heads = (int)queries.shape[1];
        Tokens = checked((int)queries.shape[2]);
        Keys = checked((int)keys.shape[2]);
        KeyBlock = Math.Min(LongestKeyBlock, (Keys + 1) / 2 * 2);
        ScoreSize = (int)queries.shape[3];
        Size = (int)values.shape[3];
        Scale = (float)(LaneMath.Log2E / Math.Sqrt(Size));
        RoundsOutput = output.dtype == ScalarType.BFloat16;
        _queries = new HeadRows(queries);
        _keys = new HeadRows(keys);
        _output = new HeadRows(output);
        _values = new TransposedValues(values, KeyBlock);
        _sharedKeys = keys.shape[0] == 1;
        _blocks = (Tokens + QueryBlock - 1) / QueryBlock;
        Items = checked((int)queries.shape[0] * _heads * _blocks);
    }

    internal int Tokens { get; }

    internal int Keys { get; }

    /// <summary>Keys that are multiplied at a time.</summary>
    internal int KeyBlock { get; }

    /// <summary>Summands of a score, some of which may be zeros that fill up.</summary>
    internal int ScoreSize { get; }

    /// <summary>Channels of a head.</summary>
    internal int Size { get; }

    /// <summary>Softmax to the base 2: e^(s / √d) = 2^(s · Scale).</summary>
    internal float Scale { get; }

    internal bool RoundsOutput { get; }

    /// <summary>Blocks of queries of all heads.</summary>
    internal int Items { get; }

    /// <summary>From one query to the next, in bytes; likewise the others.</summary>
    internal long QueryStride => _queries.Stride;

    internal long KeyStride => _keys.Stride;

    internal long OutputStride => _output.Stride;

    internal FlashBlock Block(int item)
    {
        (int pair, int block) = Math.DivRem(item, _blocks);
        (int batch, int head) = Math.DivRem(pair, _heads);
        int first = block * QueryBlock, keyBatch = _sharedKeys ? 0 : batch;
        return new FlashBlock(
            Math.Min(QueryBlock, Tokens - first), _queries.At(batch, head, first), _keys.At(keyBatch, head, 0), keyBatch * _heads + head, _output.At(batch, head, first));
    }

    internal uint* ValuesAt(int context, int start) => _values.At(context, start);
}

/// <summary>A block of queries of one head.</summary>
internal readonly unsafe struct FlashBlock(int queries, byte* query, byte* key, int context, byte* output)
{
    /// <summary>Number of queries.</summary>
    internal readonly int Queries = queries;

    /// <summary>The head, whose values are <see cref="FlashProblem.ValuesAt"/>.</summary>
    internal readonly int Context = context;

    /// <summary>The first query, the head's first key and the place of the first result.</summary>
    internal readonly byte* Query = query, Key = key, Output = output;
}

/// <summary>What one worker keeps for a block of queries: matrices of <see cref="FlashProblem.QueryBlock"/> columns.</summary>
internal readonly unsafe struct FlashScratch
{
    private const int Columns = FlashProblem.QueryBlock;

    internal FlashScratch(float* memory, FlashProblem problem)
    {
        Queries = (uint*)memory;
        Scores = memory + problem.ScoreSize * Columns;
        Weights = Scores + problem.KeyBlock * Columns;
        Output = Weights + problem.KeyBlock / 2 * Columns;
        Sums = Output + problem.Size * Columns;
        Most = Sums + Columns;
    }

    /// <summary>Numbers of float32 that it takes.</summary>
    internal static long Size(FlashProblem problem) => Columns * (problem.ScoreSize + problem.KeyBlock + problem.KeyBlock / 2 + problem.Size + 2L);

    /// <summary>Queries as columns.</summary>
    internal readonly uint* Queries;

    /// <summary>`[key, query]`.</summary>
    internal readonly float* Scores;

    /// <summary>Weights of the keys where they are not made in place, `[pair of keys, query]`.</summary>
    internal readonly float* Weights;

    /// <summary>Sums of weighted values, `[d, query]`.</summary>
    internal readonly float* Output;

    /// <summary>Of each query, the sum of its weights and the exponent that they are measured from.</summary>
    internal readonly float* Sums, Most;
}
