using Mural.Kernels;
using Mural.Runtime;

namespace Mural.Tests.Kernels;

/// <summary>The scan of devices without a hand-written kernel, on the CPU.</summary>
public class SelectiveScanChunkedTests
{
    private static Tensor Chunked(ScanCase scan, int? chunk) =>
        SelectiveScanChunked.Apply(scan.U, scan.Delta, scan.A, scan.B, scan.C, scan.Skip, scan.Z, scan.Bias, scan.Order, chunk).Output;

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(7, 7)]
    [InlineData(64, 8)]
    [InlineData(70, 2)]
    [InlineData(70, 7)]
    [InlineData(70, 64)]
    [InlineData(70, 200)]
    [InlineData(71, null)]
    public void OutputAndGradientsMatchTheRecurrence(int length, int? chunk)
    {
        using var scope = NewDisposeScope();
        ScanCase inputs = ScanCase.Random(2, length, 9, 5, gated: length != 64, biased: length != 7, ordered: true);
        List<Tensor?> actual = inputs.Differentiate(scan => Chunked(scan, chunk)), expected = inputs.Wide().Differentiate(scan => scan.Reference());
        for (int i = 0; i < actual.Count; i++)
        {
            Assert.Equal(expected[i] is null, actual[i] is null);
            if (expected[i] is not null) Close.Assert(expected[i]!, actual[i]!, 1e-5, i == 0 ? "output" : ScanCase.Names[i - 1], scale: 1);
        }
    }

    [Fact]
    public void TheLastStateIsTheRecurrences()
    {
        using var scope = NewDisposeScope();
        using var inference = no_grad();
        ScanCase inputs = ScanCase.Random(2, 30, 9, 5).Wide();
        Tensor expected = SelectiveScanReference.Apply(inputs.U, inputs.Delta, inputs.A, inputs.B, inputs.C, inputs.Skip, inputs.Z, inputs.Bias, null).LastState;
        Tensor actual = SelectiveScanChunked.Apply(inputs.U, inputs.Delta, inputs.A, inputs.B, inputs.C, inputs.Skip, inputs.Z, inputs.Bias, null).LastState;
        Close.Assert(expected, actual, 1e-12, "last state");
    }

    // No kernel takes float64: a run with Mural's kernels must fall back to chunks, and only plain libtorch to the recurrence.
    [Fact]
    public void ServesWhatTheKernelDoesNot()
    {
        using var scope = NewDisposeScope();
        using var inference = no_grad();
        ScanCase inputs = ScanCase.Random(1, 50, 9, 5).Wide();
        Tensor Apply(KernelSet kernels) => SelectiveScan.Apply(inputs.U, inputs.Delta, inputs.A, inputs.B, inputs.C, inputs.Skip, inputs.Z, inputs.Bias, null, kernels);
        Assert.True(Apply(KernelSet.Mural).equal(Chunked(inputs, null)).all().item<bool>());
        Assert.True(Apply(KernelSet.Libtorch).equal(inputs.Reference()).all().item<bool>());
    }

    [Fact]
    public void EmptyInputsGiveEmptyOutputs()
    {
        using var scope = NewDisposeScope();
        ScanCase inputs = ScanCase.Random(2, 0, 5, 4);
        Assert.Equal([2L, 0, 5], Chunked(inputs, null).shape);
        Assert.Equal([0L, 4, 3], Chunked(ScanCase.Random(0, 4, 3, 2), null).shape);
    }

    [Fact]
    public void RepeatedRunsLeaveNoTensors() => LiveTensors.AssertFlat(() =>
    {
        using var scope = NewDisposeScope();
        Chunked(ScanCase.Random(2, 30, 20, 4), 7).sum().backward();
    });
}
