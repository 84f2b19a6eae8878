using Mural.Kernels;

namespace Mural.Tests.Kernels;

public class ModulatedRmsNormTests
{
    private const double Epsilon = 1e-5;

    public static TheoryData<int> Widths => OperatorCheck.Widths;

    private static OperatorCheck Check(
        VectorWidth width, long batch, long length, long channels, bool scaled = true, bool shifted = true,
        ScalarType input = ScalarType.Float32, ScalarType output = ScalarType.Float32)
    {
        using var generator = new Generator(5);
        Tensor Normal(params long[] shape) => randn(shape, generator: generator);
        List<Tensor> inputs = [(Normal(batch, length, channels) * 3).to(input), Normal(channels)];
        if (scaled) inputs.Add(Normal(batch, channels));
        if (shifted) inputs.Add(Normal(batch, 1, channels));
        Tensor? Scale(Tensor[] tensors) => scaled ? tensors[2] : null;
        Tensor? Shift(Tensor[] tensors) => shifted ? tensors[^1] : null;
        return new OperatorCheck
        {
            Name = $"{batch}x{length}x{channels}, scaled {scaled}, shifted {shifted}, {width}, {input} to {output}",
            Inputs = [.. inputs],
            Kernel = tensors => ModulatedRmsNorm.Fused(tensors[0], tensors[1], Epsilon, Scale(tensors), Shift(tensors), output, width),
            Reference = tensors => ModulatedRmsNorm.Reference(tensors[0], tensors[1], Epsilon, Scale(tensors), Shift(tensors), ScalarType.Float64),
        };
    }

    [Theory, MemberData(nameof(Widths))]
    public void OutputAndGradientsMatchFloat64ForOddSizes(int width)
    {
        int index = 0;
        foreach (int channels in (int[])[1, 3, 16, 33, 130])
            foreach (int length in (int[])[1, 2, 64, 65, 133])
            {
                using var scope = NewDisposeScope();
                Check((VectorWidth)width, 1 + index % 3, length, channels, index % 2 == 0, index % 3 != 0).Assert();
                index++;
            }
    }

    [Theory, MemberData(nameof(Widths))]
    public void BFloat16IsReadAndWritten(int width)
    {
        using var scope = NewDisposeScope();
        Check((VectorWidth)width, 2, 70, 41, output: ScalarType.BFloat16).Assert();
        Check((VectorWidth)width, 2, 7, 41, input: ScalarType.BFloat16).Assert();
    }

    [Theory, MemberData(nameof(Widths))]
    public void RowsOfAWiderTensorAreReadInPlace(int width)
    {
        using var scope = NewDisposeScope();
        OperatorCheck whole = Check((VectorWidth)width, 2, 9, 38, scaled: false, shifted: false);
        new OperatorCheck
        {
            Name = "second half",
            Inputs = [whole.Inputs[0], whole.Inputs[1].narrow(0, 0, 19)],
            Kernel = inputs => ModulatedRmsNorm.Fused(inputs[0].narrow(-1, 19, 19), inputs[1], Epsilon, null, null, float32, (VectorWidth)width),
            Reference = inputs => ModulatedRmsNorm.Reference(inputs[0].narrow(-1, 19, 19), inputs[1], Epsilon, null, null, float64),
        }.Assert();
    }

    [Theory, MemberData(nameof(Widths))]
    public void EmptyInputsGiveEmptyOutputsAndZeroGradients(int width)
    {
        using var scope = NewDisposeScope();
        Tensor x = zeros(2, 0, 5).requires_grad_(), weight = ones(5).requires_grad_(), scale = ones(2, 5).requires_grad_();
        Tensor result = ModulatedRmsNorm.Fused(x, weight, Epsilon, scale, null, bfloat16, (VectorWidth)width);
        Assert.Equal([2L, 0, 5], result.shape);
        result.sum().backward();
        Assert.Equal(0, weight.grad!.abs().sum().item<float>() + scale.grad!.abs().sum().item<float>());
        Assert.Equal([0L, 4, 3], ModulatedRmsNorm.Fused(zeros(0, 4, 3), ones(3), Epsilon, null, null, float32, (VectorWidth)width).shape);
    }

    // Spec dim.md 10.5.
    [Theory, MemberData(nameof(Widths))]
    public void TheExampleOfTheSpecificationComesOut(int width)
    {
        using var scope = NewDisposeScope();
        Tensor x = tensor(new float[] { 1, 2, 3, 4 }).reshape(1, 1, 4);
        float[] values = ModulatedRmsNorm.Fused(x, ones(4), Epsilon, null, null, float32, (VectorWidth)width).data<float>().ToArray();
        float[] expected = [0.36514813f, 0.73029626f, 1.09544438f, 1.46059251f];
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], values[i], 1e-6f);
    }

    [Theory, MemberData(nameof(Widths))]
    public void ZeroRowsStayFiniteAndNaNIsNotHidden(int width)
    {
        using var scope = NewDisposeScope();
        Tensor x = zeros(1, 1, 18).requires_grad_();
        Tensor result = ModulatedRmsNorm.Fused(x, ones(18), Epsilon, null, null, float32, (VectorWidth)width);
        result.backward([ones_like(result)]);
        Assert.Equal(0, result.abs().sum().item<float>());
        Assert.True(x.grad!.isfinite().all().item<bool>());
        Assert.True(ModulatedRmsNorm.Fused(full(1, 1, 18, float.NaN), ones(18), Epsilon, null, null, float32, (VectorWidth)width).isnan().all().item<bool>());
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
