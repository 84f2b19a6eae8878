using Mural.Kernels;

namespace Mural.Tests.Kernels;

public class GatedResidualTests
{
    public static TheoryData<int> Widths => OperatorCheck.Widths;

    private static OperatorCheck Check(
        VectorWidth width, long batch, long length, long channels, ScalarType stream = ScalarType.Float32, ScalarType mixed = ScalarType.Float32)
    {
        using var generator = new Generator(5);
        Tensor Normal(params long[] shape) => randn(shape, generator: generator);
        return new OperatorCheck
        {
            Name = $"{batch}x{length}x{channels}, {width}, {stream} and {mixed}",
            Inputs = [Normal(batch, length, channels).to(stream), Normal(batch, length, channels).to(mixed), Normal(batch, 1, channels)],
            Kernel = inputs => GatedResidual.Fused(inputs[0], inputs[1], inputs[2], width),
            Reference = inputs => GatedResidual.Reference(inputs[0], inputs[1], inputs[2]),
        };
    }

    [Theory, MemberData(nameof(Widths))]
    public void OutputAndGradientsMatchFloat64ForOddSizes(int width)
    {
        foreach (int channels in (int[])[1, 3, 16, 33, 130])
            foreach (int length in (int[])[1, 2, 64, 65, 133])
            {
                using var scope = NewDisposeScope();
                Check((VectorWidth)width, 1 + length % 3, length, channels).Assert();
            }
    }

    [Theory, MemberData(nameof(Widths))]
    public void BFloat16IsReadAndWritten(int width)
    {
        using var scope = NewDisposeScope();
        Check((VectorWidth)width, 2, 70, 41, mixed: ScalarType.BFloat16).Assert();
        Check((VectorWidth)width, 2, 7, 41, ScalarType.BFloat16, ScalarType.BFloat16).Assert();
    }

    [Theory, MemberData(nameof(Widths))]
    public void RowsOfAWiderTensorAreReadInPlace(int width)
    {
        using var scope = NewDisposeScope();
        OperatorCheck whole = Check((VectorWidth)width, 2, 9, 38);
        Tensor gate = whole.Inputs[2].narrow(-1, 0, 19);
        new OperatorCheck
        {
            Name = "halves",
            Inputs = [whole.Inputs[0], whole.Inputs[1], gate],
            Kernel = inputs => GatedResidual.Fused(inputs[0].narrow(-1, 0, 19), inputs[1].narrow(-1, 19, 19), inputs[2], (VectorWidth)width),
            Reference = inputs => GatedResidual.Reference(inputs[0].narrow(-1, 0, 19), inputs[1].narrow(-1, 19, 19), inputs[2]),
        }.Assert();
    }

    [Theory, MemberData(nameof(Widths))]
    public void EmptyInputsGiveEmptyOutputsAndZeroGradients(int width)
    {
        using var scope = NewDisposeScope();
        Tensor gate = ones(2, 5).requires_grad_();
        Tensor result = GatedResidual.Fused(zeros(2, 0, 5), zeros(2, 0, 5), gate, (VectorWidth)width);
        Assert.Equal([2L, 0, 5], result.shape);
        result.sum().backward();
        Assert.Equal(0, gate.grad!.abs().sum().item<float>());
        Assert.Equal([0L, 4, 3], GatedResidual.Fused(zeros(0, 4, 3), zeros(0, 4, 3), zeros(0, 3), (VectorWidth)width).shape);
    }

    [Fact]
    public void NumberOfThreadsChangesNothing()
    {
        using var scope = NewDisposeScope();
        Check(VectorWidths.Best, 3, 150, 300).AssertThreadsChangeNothing();
    }

    [Fact]
    public void RepeatedRunsLeaveNoTensors()
    {
        using var scope = NewDisposeScope();
        Check(VectorWidths.Best, 2, 30, 20).AssertLeavesNothing();
    }
}
