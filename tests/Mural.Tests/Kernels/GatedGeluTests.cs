using Mural.Kernels;
using Mural.Runtime;

namespace Mural.Tests.Kernels;

public class GatedGeluTests
{
    public static TheoryData<int> Widths => OperatorCheck.Widths;

    [Theory, MemberData(nameof(Widths))]
    public void OutputMatchesFloat64ForOddSizes(int width)
    {
        foreach (int channels in (int[])[1, 3, 16, 33, 130])
            foreach (int length in (int[])[0, 1, 64, 65, 133])
                foreach ((ScalarType type, double tolerance) in new[] { (float32, 1e-6), (bfloat16, 1.0 / 256) })
                {
                    using var scope = NewDisposeScope();
                    Tensor pair = Pairs(2, length, channels).to(type), actual = GatedGelu.Fused(pair, (VectorWidth)width);
                    Assert.Equal(type, actual.dtype);
                    Close.Assert(GatedGelu.Reference(pair.to(float64)), actual, tolerance, $"{length}x{channels} in {type}");
                }
    }

    // Where Φ is tiny it must not become zero or negative, and where it is nearly one nothing may be lost.
    [Theory, MemberData(nameof(Widths))]
    public void GeluKeepsItsDigitsFarFromZero(int width)
    {
        using var scope = NewDisposeScope();
        Tensor gate = linspace(-12, 12, 2401).reshape(1, 2401, 1), pair = cat([ones_like(gate), gate], 2);
        Tensor actual = GatedGelu.Fused(pair, (VectorWidth)width).to(float64), expected = GatedGelu.Reference(pair.to(float64));
        Assert.True((actual - expected).abs().max().item<double>() <= 1e-6);
        Assert.True((actual[.., ..1200] <= 0).all().item<bool>());
        Assert.InRange(((actual - expected) / expected)[.., 1201..].abs().max().item<double>(), 0, 1e-6);
    }

    [Fact]
    public void HalvesOfAWiderTensorAreReadInPlaceAndGradientsFlow()
    {
        using var scope = NewDisposeScope();
        Tensor wide = Pairs(2, 9, 20), part = wide.narrow(2, 3, 12);
        Assert.InRange(Autoencoders.TinyAutoencoders.Distance(GatedGelu.Apply(part, KernelSet.Mural), GatedGelu.Apply(part, KernelSet.Libtorch)), 0, 1e-6);
        Tensor leaf = Pairs(1, 3, 4).requires_grad_();
        GatedGelu.Apply(leaf, KernelSet.Mural).sum().backward();
        Assert.True(leaf.grad!.abs().min().item<float>() > 0);
    }

    [Fact]
    public void RepeatedRunsLeaveNoTensors()
    {
        using Tensor pair = Pairs(2, 30, 20);
        LiveTensors.AssertFlat(() => GatedGelu.Apply(pair, KernelSet.Mural).Dispose());
    }

    private static Tensor Pairs(int batch, int length, int channels)
    {
        using var generator = new Generator(3);
        using Tensor normal = randn([batch, length, 2 * channels], generator: generator);
        return normal * 3;
    }
}
