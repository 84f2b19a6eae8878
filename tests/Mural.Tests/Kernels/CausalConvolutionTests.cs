using Mural.Kernels;

namespace Mural.Tests.Kernels;

public class CausalConvolutionTests
{
    public static TheoryData<int> Widths => OperatorCheck.Widths;

    private static OperatorCheck Check(VectorWidth width, long batch, long length, long channels, long taps, bool ordered = false, ScalarType type = ScalarType.Float32)
    {
        using var generator = new Generator(5);
        ScanOrder? order = ordered ? ScanCase.Shuffled((int)length, 9) : null;
        return new OperatorCheck
        {
            Name = $"{batch}x{length}x{channels}, {taps} taps, {width}, {type}",
            Inputs =
            [
                randn([batch, length, channels], generator: generator).to(type), randn([channels, 1, taps], generator: generator), randn([channels], generator: generator),
            ],
            Kernel = inputs => CausalConvolution.Fused(inputs[0], inputs[1], inputs[2], order, width),
            Reference = inputs => CausalConvolution.Reference(inputs[0], inputs[1], inputs[2], order),
        };
    }

    [Theory, MemberData(nameof(Widths))]
    public void OutputAndGradientsMatchFloat64ForOddSizes(int width)
    {
        int index = 0;
        foreach (int channels in (int[])[1, 3, 16, 33, 130, 525])
            foreach (int length in (int[])[1, 2, 3, 63, 64, 65, 133])
            {
                using var scope = NewDisposeScope();
                Check((VectorWidth)width, 1 + index % 3, length, channels, 1 + index % 5, index % 2 == 0).Assert();
                index++;
            }
    }

    [Theory, MemberData(nameof(Widths))]
    public void BFloat16IsRoundedOnceAtTheEnd(int width)
    {
        using var scope = NewDisposeScope();
        Check((VectorWidth)width, 2, 70, 41, 3, ordered: true, ScalarType.BFloat16).Assert();
    }

    [Theory, MemberData(nameof(Widths))]
    public void HalvesOfAProjectionAreReadInPlace(int width)
    {
        using var scope = NewDisposeScope();
        OperatorCheck whole = Check((VectorWidth)width, 2, 21, 38, 3);
        Tensor[] parameters = [whole.Inputs[1].narrow(0, 0, 19), whole.Inputs[2].narrow(0, 0, 19)];
        ScanOrder order = ScanCase.Shuffled(21, 4);
        new OperatorCheck
        {
            Name = "second half",
            Inputs = [whole.Inputs[0], .. parameters],
            Kernel = inputs => CausalConvolution.Fused(inputs[0].narrow(-1, 19, 19), inputs[1], inputs[2], order, (VectorWidth)width),
            Reference = inputs => CausalConvolution.Reference(inputs[0].narrow(-1, 19, 19), inputs[1], inputs[2], order),
        }.Assert();
        new OperatorCheck
        {
            Name = "channels apart",
            Inputs = [whole.Inputs[0].transpose(1, 2).contiguous(), whole.Inputs[1], whole.Inputs[2]],
            Kernel = inputs => CausalConvolution.Fused(inputs[0].transpose(1, 2), inputs[1], inputs[2], order, (VectorWidth)width),
            Reference = inputs => CausalConvolution.Reference(inputs[0].transpose(1, 2), inputs[1], inputs[2], order),
        }.Assert();
    }

    [Theory, MemberData(nameof(Widths))]
    public void EmptyInputsGiveEmptyOutputsAndZeroGradients(int width)
    {
        using var scope = NewDisposeScope();
        foreach ((long batch, long length) in new[] { (2L, 0L), (0L, 4L) })
        {
            Tensor x = zeros(batch, length, 5).requires_grad_(), weight = ones(5, 1, 3).requires_grad_(), bias = ones(5).requires_grad_();
            Tensor result = CausalConvolution.Fused(x, weight, bias, null, (VectorWidth)width);
            Assert.Equal([batch, length, 5], result.shape);
            result.sum().backward();
            Assert.Equal([batch, length, 5], x.grad!.shape);
            Assert.Equal(0, weight.grad!.abs().sum().item<float>() + bias.grad!.abs().sum().item<float>());
        }
    }

    // Spec dim.md 10.5.
    [Theory, MemberData(nameof(Widths))]
    public void TheExampleOfTheSpecificationComesOut(int width)
    {
        using var scope = NewDisposeScope();
        Tensor x = tensor(new float[] { 1, 2, 3, 4 }).reshape(1, 4, 1), weight = tensor(new[] { 0.1f, 0.2f, 0.3f }).reshape(1, 1, 3), bias = tensor(new[] { 0.05f });
        float[] values = CausalConvolution.Fused(x, weight, bias, null, (VectorWidth)width).data<float>().ToArray();
        float[] expected = [0.20531615f, 0.59548207f, 1.17449773f, 1.81619262f];
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], values[i], 1e-6f);
    }

    [Theory, MemberData(nameof(Widths))]
    public void LargeValuesStayFiniteAndNaNIsNotHidden(int width)
    {
        using var scope = NewDisposeScope();
        Tensor x = tensor(new[] { -1e30f, 1e30f, -100, 100 }).reshape(1, 4, 1).requires_grad_(), weight = ones(1, 1, 1), bias = zeros(1);
        Tensor result = CausalConvolution.Fused(x, weight, bias, null, (VectorWidth)width);
        result.backward([ones_like(result)]);
        Assert.True(result.isfinite().all().item<bool>());
        Assert.True(x.grad!.isfinite().all().item<bool>());
        Assert.True(CausalConvolution.Fused(full(1, 1, 1, float.NaN), weight, bias, null, (VectorWidth)width).isnan().all().item<bool>());
    }

    [Fact]
    public void NumberOfThreadsChangesNothing()
    {
        using var scope = NewDisposeScope();
        Check(VectorWidths.Best, 3, 150, 300, 3, ordered: true).AssertThreadsChangeNothing();
    }

    [Fact]
    public void RepeatedRunsLeaveNoTensors()
    {
        using var scope = NewDisposeScope();
        Check(VectorWidths.Best, 2, 30, 20, 3, ordered: true).AssertLeavesNothing();
    }
}
