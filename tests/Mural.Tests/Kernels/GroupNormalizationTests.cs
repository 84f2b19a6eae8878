using Mural.Kernels;

namespace Mural.Tests.Kernels;

public class GroupNormalizationTests
{
    private const double Epsilon = 1e-6;

    public static TheoryData<string, int, int, int, int, int> Shapes
    {
        get
        {
            var data = new TheoryData<string, int, int, int, int, int>();
            foreach (VectorWidth width in Enum.GetValues<VectorWidth>())
            {
                if (width > VectorWidths.Best) continue;
                foreach ((int images, int channels, int groups, int height, int rows) in new[]
                {
                    (1, 1, 1, 1, 3), (2, 12, 3, 5, 7), (3, 32, 8, 9, 11), (2, 64, 16, 33, 65), (1, 96, 32, 130, 3)
                })
                    data.Add(width.ToString(), images, channels, groups, height, rows);
            }
            return data;
        }
    }

    [Theory, MemberData(nameof(Shapes))]
    public void ForwardAndGradientsEqualTheReference(string width, int images, int channels, int groups, int height, int rows)
    {
        foreach (ScalarType type in new[] { float32, bfloat16 })
            foreach (bool silu in new[] { true, false })
                Compare(Enum.Parse<VectorWidth>(width), type, silu, images, channels, groups, height, rows);
    }

    private static void Compare(VectorWidth width, ScalarType type, bool silu, int images, int channels, int groups, int height, int rows)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        Tensor x = (randn([images, channels, height, rows], generator: generator) * 2 + 1).to(type),
            gradient = randn([images, channels, height, rows], generator: generator).to(type);
        Tensor weight = randn([channels], generator: generator), bias = randn([channels], generator: generator);

        Tensor[] exact = [.. new[] { x, weight, bias }.Select(t => t.to(float64).detach().requires_grad_())];
        Tensor want = GroupNormalization.Reference(exact[0], groups, exact[1], exact[2], Epsilon, silu);
        want.backward([gradient.to(float64)]);
        Tensor[] tested = [.. new[] { x, weight, bias }.Select(t => t.clone().detach().requires_grad_())];
        Tensor got = GroupNormalization.Fused(tested[0], groups, tested[1], tested[2], Epsilon, silu, width);
        Assert.Equal(type, got.dtype);
        got.backward([gradient]);

        double tolerance = type == float32 ? 3e-6 : 5e-3;
        Assert.True(Distance(got, want) < tolerance, $"output {type} silu {silu}: {Distance(got, want)}");
        string[] names = ["input", "weight", "bias"];
        for (int i = 0; i < names.Length; i++)
        {
            double distance = Distance(tested[i].grad!, exact[i].grad!);
            Assert.True(distance < tolerance, $"gradient of the {names[i]}, {type}, silu {silu}: {distance}");
        }
    }

    // Where a group holds a single value its gradient is zero but for rounding: distances count from the size of the gradient that came in.
    private static double Distance(Tensor got, Tensor want)
    {
        double norm = Math.Max(want.norm().item<double>(), 0.1 * Math.Sqrt(want.numel()));
        return (got.to(float64) - want).norm().item<double>() / norm;
    }

    [Fact]
    public void AFarMeanKeepsItsDigits()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(4);
        Tensor x = randn([1, 32, 64, 64], generator: generator) + 1000, weight = ones(32), bias = zeros(32);
        Tensor got = GroupNormalization.Fused(x, 8, weight, bias, Epsilon, silu: false, VectorWidths.Best);
        Tensor want = GroupNormalization.Reference(x.to(float64), 8, weight, bias, Epsilon, silu: false);
        // float32 itself holds 1000 to 3e-5.
        Assert.True((got - want).abs().max().item<double>() < 2e-4);
    }

    [Fact]
    public void ResultsDoNotDependOnThreads()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(5);
        Tensor x = randn([2, 64, 70, 50], generator: generator), weight = randn([64], generator: generator), bias = randn([64], generator: generator);
        int threads = get_num_threads();
        try
        {
            Tensor many = GroupNormalization.Fused(x, 16, weight, bias, Epsilon, silu: true, VectorWidths.Best);
            set_num_threads(1);
            Tensor one = GroupNormalization.Fused(x, 16, weight, bias, Epsilon, silu: true, VectorWidths.Best);
            Assert.True(many.eq(one).all().item<bool>());
        }
        finally
        {
            set_num_threads(threads);
        }
    }
}
