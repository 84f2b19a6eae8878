using Mural.Attention;
using Mural.Kernels;
using Mural.Tests.Kernels;

namespace Mural.Tests.Attention;

public class FlashAttentionTests
{
    // What the specification promises of float32 (dim.md 2.2), and what is left of it where scores are so large that their last bit is 1e-3.
    private const double Float32Accuracy = 1e-5, ScoreRounding = 1e-3;

    // Blocks are of 64 queries and 256 keys, tiles of six rows, vectors of up to 16 numbers.
    private static readonly (int Batch, int Tokens, int Keys, int Heads, int Size)[] Shapes =
    [
        (1, 1, 1, 1, 1),
        (1, 1, 77, 2, 8),
        (2, 63, 77, 8, 40),
        (1, 64, 256, 2, 64),
        (3, 65, 257, 3, 7),
        (1, 17, 1101, 2, 80),
        (2, 130, 130, 2, 160),
        (1, 70, 515, 1, 512),
        (1, 5, 1024, 5, 9),
        (1, 2049, 3, 1, 12),
    ];

    /// <summary>Every way at every width that makes a difference to it.</summary>
    public static TheoryData<int, int> Forms
    {
        get
        {
            var forms = new TheoryData<int, int> { { (int)AttentionWay.FlashBFloat16, (int)VectorWidth.Bits512 } };
            foreach (VectorWidth width in (VectorWidth[])[VectorWidth.Bits256, VectorWidth.Bits512]) forms.Add((int)AttentionWay.FlashFloat32, (int)width);
            foreach (VectorWidth width in Enum.GetValues<VectorWidth>()) forms.Add((int)AttentionWay.FlashVectors, (int)width);
            return forms;
        }
    }

    [Theory, MemberData(nameof(Forms))]
    public void EqualsTheFormula(int way, int width)
    {
        SkipUnlessThere((AttentionWay)way);
        foreach ((int batch, int tokens, int keys, int heads, int size) in Shapes)
        {
            foreach (ScalarType type in Types((AttentionWay)way))
            {
                using var scope = NewDisposeScope();
                using var generator = new Generator(1);
                Tensor Normal(int rows) => (randn([batch, rows, heads * size], generator: generator) * 2).to(type);
                Tensor q = Normal(tokens), k = Normal(keys), v = Normal(keys);
                Compare(q, k, v, heads, (AttentionWay)way, (VectorWidth)width, $"{batch} x {tokens} x {keys}, {heads} heads of {size}, {type}");
                Compare(q, k[..1], v[..1], heads, (AttentionWay)way, (VectorWidth)width, $"keys of one entry, {keys}, {heads} heads of {size}, {type}");
            }
        }
    }

    [Theory, MemberData(nameof(Forms))]
    public void ReadsPartsOfAJoinedProjection(int way, int width)
    {
        SkipUnlessThere((AttentionWay)way);
        foreach (ScalarType type in Types((AttentionWay)way))
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator(1);
            Tensor joined = randn([2, 100, 3 * 48 + 1], generator: generator).to(type);
            Tensor[] parts = joined.narrow(2, 1, 3 * 48).chunk(3, -1);
            Compare(parts[0], parts[1], parts[2], 2, (AttentionWay)way, (VectorWidth)width, "parts of rows");
            Compare(parts[0].transpose(0, 1).contiguous().transpose(0, 1), parts[1], parts[2], 2, (AttentionWay)way, (VectorWidth)width, "batch between rows");
            Compare(parts[0].transpose(1, 2).contiguous().transpose(1, 2), parts[1], parts[2], 2, (AttentionWay)way, (VectorWidth)width, "channels apart");
        }
    }

    [Theory, MemberData(nameof(Forms))]
    public void LargeScoresNeitherOverflowNorVanish(int way, int width)
    {
        SkipUnlessThere((AttentionWay)way);
        foreach (bool rising in (bool[])[true, false])
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator(1);
            ScalarType type = Types((AttentionWay)way)[^1];
            // Scores of thousands: the largest lie in the last block, far above what came before, or in the first.
            Tensor growth = linspace(1, 200, 1100).view(1, -1, 1);
            Tensor k = (randn([1, 1100, 32], generator: generator) * (rising ? growth : growth.flip(1))).to(type);
            Tensor q = (randn([1, 70, 32], generator: generator) * 10).to(type), v = randn([1, 1100, 32], generator: generator).to(type);
            Compare(q, k, v, 2, (AttentionWay)way, (VectorWidth)width, rising ? "rising" : "falling", ScoreRounding);
        }
    }

    [Theory, MemberData(nameof(Forms))]
    public void EqualValuesComeOutUnchangedAndNothingHidesNaN(int way, int width)
    {
        SkipUnlessThere((AttentionWay)way);
        using var scope = NewDisposeScope();
        using var generator = new Generator(1);
        ScalarType type = Types((AttentionWay)way)[0];
        Tensor q = randn([1, 20, 16], generator: generator).to(type), k = randn([1, 300, 16], generator: generator).to(type),
            v = randn([1, 1, 16], generator: generator).to(type).expand(1, 300, 16);
        Tensor output = FlashAttention.Apply(q, k, v, 2, (AttentionWay)way, (VectorWidth)width);
        Close.Assert(v[.., ..1].expand(1, 20, 16), output, type == bfloat16 ? 0 : 1e-6, "equal values");
        Tensor broken = k.clone();
        broken[0, 280, 3] = float.NaN;
        output = FlashAttention.Apply(q, broken, v, 2, (AttentionWay)way, (VectorWidth)width);
        Assert.True(output[.., .., ..8].isnan().all().item<bool>());
        Assert.False(output[.., .., 8..].isnan().any().item<bool>());
    }

    [Theory, MemberData(nameof(Forms))]
    public void ThreadsChangeNothingAndNothingLeaks(int way, int width)
    {
        SkipUnlessThere((AttentionWay)way);
        using var scope = NewDisposeScope();
        using var generator = new Generator(1);
        Tensor x = randn([2, 150, 36], generator: generator).to(bfloat16);
        Tensor Run() => FlashAttention.Apply(x, x, x, 4, (AttentionWay)way, (VectorWidth)width);
        int threads = get_num_threads();
        try
        {
            set_num_threads(1);
            Tensor one = Run();
            set_num_threads(3);
            Assert.True(one.equal(Run()).all().item<bool>());
        }
        finally
        {
            set_num_threads(threads);
        }
        LiveTensors.AssertFlat(() => Run().Dispose());
    }

    private static ScalarType[] Types(AttentionWay way) => way == AttentionWay.FlashBFloat16 ? [bfloat16] : [bfloat16, float32];

    private static void SkipUnlessThere(AttentionWay way) => Assert.SkipUnless(FlashAttention.Has(way), "this processor or this libtorch has no such products");

    private static void Compare(Tensor q, Tensor k, Tensor v, int heads, AttentionWay way, VectorWidth width, string what, double float32 = Float32Accuracy)
    {
        Tensor ours = FlashAttention.Apply(q, k, v, heads, way, width);
        Assert.Equal(q.dtype, ours.dtype);
        // Of the largest value: a bfloat16 result has one rounding to eight bits, and weights of the bfloat16 kernel another.
        double allowed = way == AttentionWay.FlashBFloat16 ? 2.0 / 256 : q.dtype == bfloat16 ? 1.0 / 256 : float32;
        Close.Assert(SoftmaxAttention.Reference(q.to(float64), k.to(float64), v.to(float64), heads), ours, allowed, what);
    }
}
