using Mural.Kernels;
using Mural.Runtime;

namespace Mural.Tests.Kernels;

public class LayerNormalizationTests
{
    private const double Epsilon = 1e-5;

    public static TheoryData<int> Widths => OperatorCheck.Widths;

    [Theory, MemberData(nameof(Widths))]
    public void OutputMatchesFloat64ForOddSizes(int width)
    {
        foreach (int channels in (int[])[1, 3, 16, 33, 130])
            foreach (int length in (int[])[0, 1, 64, 65, 133])
                foreach ((ScalarType type, double tolerance) in new[] { (float32, 3e-6), (bfloat16, 1.0 / 256) })
                {
                    using var scope = NewDisposeScope();
                    (Tensor x, Tensor weight, Tensor bias) = Inputs(2, length, channels);
                    x = x.to(type);
                    Tensor actual = LayerNormalization.Fused(x, weight, bias, Epsilon, (VectorWidth)width);
                    Assert.Equal(type, actual.dtype);
                    Close.Assert(LayerNormalization.Reference(x.to(float64), weight, bias, Epsilon), actual, tolerance, $"{length}x{channels} in {type}", scale: 1);
                }
    }

    [Theory, MemberData(nameof(Widths))]
    public void AFarMeanAndASmallVarianceKeepTheirDigits(int width)
    {
        using var scope = NewDisposeScope();
        (Tensor x, Tensor weight, Tensor bias) = Inputs(1, 20, 321);
        Tensor far = x + 1000;
        // float32 itself holds 1000 to 3e-5.
        Close.Assert(
            LayerNormalization.Reference(far.to(float64), weight, bias, Epsilon),
            LayerNormalization.Fused(far, weight, bias, Epsilon, (VectorWidth)width), 1e-4, "far mean");
        Tensor small = x / 1000;
        Close.Assert(
            LayerNormalization.Reference(small.to(float64), weight, bias, Epsilon),
            LayerNormalization.Fused(small, weight, bias, Epsilon, (VectorWidth)width), 3e-6, "small variance");
    }

    [Fact]
    public void RowsThatLieApartAreReadInPlaceAndGradientsFlow()
    {
        using var scope = NewDisposeScope();
        (Tensor x, Tensor weight, Tensor bias) = Inputs(2, 9, 20);
        Tensor part = x.narrow(1, 2, 5).transpose(0, 1);
        Tensor actual = LayerNormalization.Apply(part, weight, bias, Epsilon, KernelSet.Mural),
            expected = LayerNormalization.Apply(part, weight, bias, Epsilon, KernelSet.Libtorch);
        Close.Assert(expected, actual, 3e-6, "part");
        weight.requires_grad_();
        LayerNormalization.Apply(x, weight, bias, Epsilon, KernelSet.Mural).square().sum().backward();
        Assert.True(weight.grad!.abs().min().item<float>() > 0);
    }

    [Fact]
    public void RepeatedRunsLeaveNoTensors()
    {
        (Tensor x, Tensor weight, Tensor bias) = Inputs(2, 30, 20);
        using (x)
        using (weight)
        using (bias)
            LiveTensors.AssertFlat(() => LayerNormalization.Apply(x, weight, bias, Epsilon, KernelSet.Mural).Dispose());
    }

    private static (Tensor X, Tensor Weight, Tensor Bias) Inputs(int batch, int length, int channels)
    {
        using var generator = new Generator(3);
        Tensor Normal(params long[] shape) => randn(shape, generator: generator);
        return (Normal(batch, length, channels), Normal(channels), Normal(channels));
    }
}
