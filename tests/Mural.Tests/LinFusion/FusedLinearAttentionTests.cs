using Mural.Kernels;
using Mural.LinFusion;
using Mural.Runtime;
using static Mural.Tests.LinFusion.LinFusionGoldens;

namespace Mural.Tests.LinFusion;

/// <summary>The hand-written passes against plain operators in float64.</summary>
public class FusedLinearAttentionTests
{
    public static TheoryData<string, ScalarType> Forms =>
        new(Enum.GetValues<VectorWidth>().Where(width => width <= VectorWidths.Best)
            .SelectMany(width => new[] { (width.ToString(), ScalarType.Float32), (width.ToString(), ScalarType.BFloat16) }));

    [Theory, MemberData(nameof(Forms))]
    public void IsThePlainForm(string form, ScalarType type)
    {
        VectorWidth width = Enum.Parse<VectorWidth>(form);
        // Heads narrower than a vector and none that vectors divide; tokens that no block divides; more than one span.
        foreach ((int batch, int tokens, int heads, int size) in new[]
        {
            (1, 1, 1, 1), (2, 63, 3, 5), (1, 64, 2, 8), (2, 65, 1, 33), (1, 1025, 2, 40), (2, 2111, 2, 17), (1, 130, 1, 160)
        })
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator(5);
            Tensor Normal() => (randn([batch, tokens, heads * size], generator: generator) * 2).to(type);
            Tensor q = Normal(), k = Normal(), v = Normal();
            Tensor sums = FusedLinearAttention.Sums(k, v, heads, width), expected = LinearKernel.Sums(k.to(float64), v.to(float64), heads);
            Assert.Equal(expected.shape, sums.shape);
            Assert.InRange(Distance(sums, expected), 0, 1e-6);
            Tensor output = FusedLinearAttention.Attend(q, sums / tokens, width), plain = LinearKernel.Attend(q.to(float64), expected / tokens);
            Assert.Equal(type, output.dtype);
            // Results are rounded to bfloat16 once, at the end.
            Assert.InRange(Distance(output, plain), 0, type == ScalarType.Float32 ? 1e-6 : 2.5e-3);
        }
    }

    // Views of a wider projection, and rows that lie apart.
    [Fact]
    public void ReadsTokensWhereTheyLie()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(5);
        Tensor wide = randn([2, 70, 3 * 24], generator: generator);
        Tensor[] parts = [.. wide.chunk(3, 2)];
        Tensor means = FusedLinearAttention.Sums(parts[1], parts[2], 3, VectorWidths.Best) / 70;
        Assert.InRange(Distance(means, LinearKernel.Sums(parts[1], parts[2], 3, KernelSet.Libtorch) / 70), 0, 1e-6);
        Assert.InRange(Distance(FusedLinearAttention.Attend(parts[0], means, VectorWidths.Best), LinearKernel.Attend(parts[0], means, KernelSet.Libtorch)), 0, 1e-6);
    }

    // The official two steps of elu and addition make small features vanish in float32; in bfloat16 they are kept.
    [Theory]
    [InlineData(ScalarType.Float32, true)]
    [InlineData(ScalarType.BFloat16, false)]
    public void VerySmallFeaturesAreThoseOfTheFeatureMap(ScalarType type, bool vanish)
    {
        using var scope = NewDisposeScope();
        Tensor keys = full([1, 4, 20], -20f).to(type), values = ones([1, 4, 20], type);
        Tensor sums = FusedLinearAttention.Sums(keys, values, 1, VectorWidths.Best);
        Assert.Equal(vanish, sums.abs().max().item<float>() == 0);
        Assert.InRange(sums.abs().max().item<float>(), 0, 4 * 2.1e-9f);
        foreach (float extreme in new[] { float.NegativeInfinity, -200, 3e4f })
            Assert.True(FusedLinearAttention.Attend(full([1, 3, 20], extreme).to(type), ones([1, 1, 20, 21]), VectorWidths.Best).isfinite().all().item<bool>());
        Assert.True(FusedLinearAttention.Attend(full([1, 3, 20], float.NaN).to(type), ones([1, 1, 20, 21]), VectorWidths.Best).isnan().all().item<bool>());
    }

    [Fact]
    public void TheNumberOfThreadsChangesNoBit()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(5);
        Tensor q = randn([1, 3000, 24], generator: generator);
        int threads = get_num_threads();
        Tensor Run(int count)
        {
            set_num_threads(count);
            Tensor sums = FusedLinearAttention.Sums(q, q, 2, VectorWidths.Best);
            return FusedLinearAttention.Attend(q, sums / 3000, VectorWidths.Best);
        }
        try
        {
            Assert.Equal(0, (Run(1) - Run(3)).abs().max().item<float>());
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    [Fact]
    public void NothingIsLeftBehind()
    {
        using Tensor q = zeros(2, 100, 24);
        LiveTensors.AssertFlat(() =>
        {
            using Tensor sums = FusedLinearAttention.Sums(q, q, 2, VectorWidths.Best);
            FusedLinearAttention.Attend(q, sums, VectorWidths.Best).Dispose();
        });
    }
}
