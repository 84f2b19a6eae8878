using Mural.Layers;
using Mural.Layers.OneDnn;
using Mural.Runtime;

namespace Mural.Tests.Layers;

public class WeightedLayerTests
{
    [Theory]
    [InlineData(ScalarType.Float32, 1e-6, true)]
    [InlineData(ScalarType.Float32, 1e-6, false)]
    [InlineData(ScalarType.BFloat16, 1e-2, true)]
    public void FrozenLayerEqualsTheTrainableOne(ScalarType type, double tolerance, bool bias)
    {
        foreach (KernelSet kernels in Enum.GetValues<KernelSet>())
        {
            using var scope = NewDisposeScope();
            using var layer = new Linear(37, 19, bias);
            Tensor input = randn(5, 3, 37).to(type), expected;
            using (no_grad())
            {
                expected = layer.forward(input).to(float64);
                layer.Freeze(kernels, type);
                Tensor actual = layer.forward(input).to(float64);
                Assert.True(((actual - expected).norm() / expected.norm()).item<double>() <= tolerance, kernels.ToString());
            }
            Assert.Empty(layer.parameters());
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32, 1e-5)]
    [InlineData(ScalarType.BFloat16, 1e-2)]
    public void FrozenConvolutionEqualsTheTrainableOne(ScalarType type, double tolerance)
    {
        foreach (KernelSet kernels in Enum.GetValues<KernelSet>())
        {
            using var scope = NewDisposeScope();
            using var layer = new Conv2d(6, 10, 3, stride: 2, padding: 1, groups: 2);
            using IDisposable guard = no_grad();
            Tensor input = randn(2, 6, 9, 11).to(type), expected = layer.forward(input).to(float64);
            layer.Freeze(kernels, type);
            Tensor actual = layer.forward(input).to(float64);
            Assert.True(((actual - expected).norm() / expected.norm()).item<double>() <= tolerance, kernels.ToString());
        }
    }

    [Fact]
    public void EmptyInputGivesEmptyOutput()
    {
        using var scope = NewDisposeScope();
        using var layer = new Linear(8, 4);
        using IDisposable guard = no_grad();
        layer.Freeze(KernelSet.Mural, float32);
        Assert.Equal([0L, 4L], layer.forward(empty(0, 8)).shape);
    }

    [Fact]
    public void PackedConvolutionEqualsThePlainOne()
    {
        if (!PackedOperators.Available) Assert.Skip("This processor is not served by oneDNN's packed operators.");
        using var scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        var shape = new ConvolutionShape((1, 2), (2, 1), (1, 2), 2);
        Tensor input = randn(2, 6, 9, 11), weight = randn(8, 3, 3, 3), bias = randn(8);
        Tensor expected = nn.functional.conv2d(input, weight, bias, [2L, 1L], [1L, 2L], [1L, 2L], 2);
        Tensor actual = PackedOperators.Convolution(input, PackedOperators.PackConvolution(weight, shape), bias, shape);
        Assert.Equal(expected.shape, actual.shape);
        Assert.True(((actual - expected).norm() / expected.norm()).item<float>() < 1e-5);
    }
}
