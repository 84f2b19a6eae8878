using Mural.Kernels;
using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>One call of <see cref="FlashAttention"/> as its passes see it. Good while its tensors are.</summary>
internal sealed unsafe class FlashProblem
{
    /// <summary>Queries of a block: the columns of all small matrices.</summary>
    internal const int QueryBlock = 64;

    private readonly Rows _queries, _keys, _output;
    private readonly TransposedValues _values;
    private readonly bool _sharedKeys;
    private readonly int _heads, _blocks;

    /// <param name="queries">Channels together. Shape: `[B, N, heads · score size]`.</param>
    /// <param name="keys">In the queries' type. Shape: `[B, T, heads · score size]` or `[1, T, heads · score size]`.</param>
    /// <param name="values">Likewise. Shape: that of the keys, but with heads · size channels.</param>
    /// <param name="output">float32 or bfloat16. Shape: `[B, N, heads · size]`.</param>
    /// <param name="heads">Number of heads.</param>
    /// <param name="trueSize">Size of a head without zeros that queries and keys were filled up with.</param>
    /// <param name="keyBlock">Keys that are multiplied at a time.</param>
    internal FlashProblem(Tensor queries, Tensor keys, Tensor values, Tensor output, int heads, int trueSize, int keyBlock)
    {
        _queries = new Rows(queries);
        _keys = new Rows(keys);
        _output = new Rows(output);
        _values = new TransposedValues(values, heads, keyBlock);
        _sharedKeys = keys.shape[0] == 1;
        _heads = heads;
        Tokens = (int)queries.shape[1];
        Keys = (int)keys.shape[1];
        KeyBlock = keyBlock;
        ScoreSize = (int)queries.shape[2] / heads;
        Size = (int)values.shape[2] / heads;
        Scale = (float)(LaneMath.Log2E / Math.Sqrt(trueSize));
        RoundsOutput = output.dtype == ScalarType.BFloat16;
        _blocks = (Tokens + QueryBlock - 1) / QueryBlock;
        Items = checked((int)queries.shape[0] * heads * _blocks);
    }

    internal int Tokens { get; }

    internal int Keys { get; }

    internal int KeyBlock { get; }

    /// <summary>Summands of a score.</summary>
    internal int ScoreSize { get; }

    /// <summary>Channels of a value.</summary>
    internal int Size { get; }

    /// <summary>Softmax to the base 2: e^(s / √d) = 2^(s · Scale).</summary>
    internal float Scale { get; }

    internal bool RoundsOutput { get; }

    /// <summary>Blocks of queries of all heads.</summary>
    internal int Items { get; }

    internal long QueryStride => _queries.RowStride;

    internal long KeyStride => _keys.RowStride;

    internal long OutputStride => _output.RowStride;

    internal FlashBlock Block(int item)
    {
        (int pair, int block) = Math.DivRem(item, _blocks);
        (int batch, int head) = Math.DivRem(pair, _heads);
        int first = block * QueryBlock, keyBatch = _sharedKeys ? 0 : batch;
        return new FlashBlock(
            Math.Min(QueryBlock, Tokens - first), _queries.At(batch, first).Address(head * ScoreSize), _keys.At(keyBatch, 0).Address(head * ScoreSize),
            keyBatch * _heads + head, _output.At(batch, first).Address(head * Size));
    }

    internal uint* ValuesAt(int context, int start) => _values.At(context, start);
}

/// <summary>A block of queries of one head.</summary>
internal readonly unsafe struct FlashBlock(int queries, byte* query, byte* key, int context, byte* output)
{
    internal readonly int Queries = queries, Context = context;
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
        Weights = Scores + (problem.KeyBlock + 1) * Columns;
        Output = Weights + (problem.KeyBlock + 1) / 2 * Columns;
        Sums = Output + problem.Size * Columns;
        Most = Sums + Columns;
    }

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

    /// <summary>Numbers of float32 that it takes.</summary>
    internal static long Size(FlashProblem problem) => Columns * (problem.ScoreSize + problem.KeyBlock + 1L + (problem.KeyBlock + 1) / 2 + problem.Size + 2);
}
