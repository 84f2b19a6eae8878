using Mural.Kernels;

namespace Mural.Tests.Kernels;

public class SelectiveScanTests
{
    // What the specification promises of float32 (dim.md 2.2), against float64 and relative to the largest number.
    private const double Accuracy = 1e-5;

    public static TheoryData<int> Widths => [.. Enum.GetValues<VectorWidth>().Select(width => (int)width)];

    private static readonly int[] Channels = [1, 3, 7, 16, 17, 33, 130];
    private static readonly int[] Lengths = [1, 2, 7, 64, 333];
    private static readonly int[] States = [1, 2, 5, 16];

    [Theory, MemberData(nameof(Widths))]
    public void OutputAndGradientsMatchFloat64ForOddSizes(int width)
    {
        int index = 0;
        foreach (int channels in Channels)
            foreach (int length in Lengths)
            {
                using var scope = NewDisposeScope();
                int states = States[index % States.Length];
                AssertMatches(ScanCase.Random(1 + index % 3, length, channels, states, index % 4 != 3, index % 5 != 4, index % 2 == 0), (VectorWidth)width);
                index++;
            }
    }

    [Theory, MemberData(nameof(Widths))]
    public void EveryNumberOfStatesMatches(int width)
    {
        foreach (int states in States)
        {
            using var scope = NewDisposeScope();
            AssertMatches(ScanCase.Random(2, 19, 21, states), (VectorWidth)width);
        }
    }

    private static void AssertMatches(ScanCase inputs, VectorWidth width)
    {
        List<Tensor?> actual = inputs.Differentiate(scan => scan.Kernel(width)), expected = inputs.Wide().Differentiate(scan => scan.Reference());
        for (int i = 0; i < actual.Count; i++)
        {
            string name = i == 0 ? "output" : "gradient of " + ScanCase.Names[i - 1];
            Assert.Equal(expected[i] is null, actual[i] is null);
            if (expected[i] is null) continue;
            // The bias takes a plain sum of delta's gradients, whose terms may cancel: its error is that of the terms.
            double scale = i == 8 ? expected[2]!.abs().sum([0L, 1L]).max().item<double>() : 0;
            Close.Assert(expected[i]!, actual[i]!, Accuracy, $"{name}, {string.Join('x', inputs.U.shape)}, {width}", scale);
        }
    }

    [Theory, MemberData(nameof(Widths))]
    public void EmptyInputsGiveEmptyOutputsAndZeroGradients(int width)
    {
        using var scope = NewDisposeScope();
        ScanCase inputs = ScanCase.Random(2, 0, 5, 4);
        List<Tensor?> results = inputs.Differentiate(scan => scan.Kernel((VectorWidth)width));
        Assert.Equal([2L, 0, 5], results[0]!.shape);
        Assert.Equal(0, results[3]!.abs().sum().item<float>());
        Assert.Equal([0L, 4, 3], ScanCase.Random(0, 4, 3, 2).Kernel((VectorWidth)width).shape);
    }

    // Spec dim.md 10.4, worked by hand.
    [Theory, MemberData(nameof(Widths))]
    public void TheExampleOfTheSpecificationComesOut(int width)
    {
        using var scope = NewDisposeScope();
        static Tensor Row(params float[] values) => tensor(values).reshape(1, values.Length, 1).requires_grad_();
        static Tensor Pairs(params float[] values) => tensor(values).reshape(1, values.Length / 2, 2).requires_grad_();
        var inputs = new ScanCase
        {
            U = Row(1, -1, 2),
            Delta = Row(-0.43275213f, 0.54132485f, -1.25869155f),
            A = tensor(new float[] { -1, -2 }).reshape(1, 2).requires_grad_(),
            B = Pairs(1, 0.5f, 0.5f, -1, 2, 1),
            C = Pairs(1, 1, 0.5f, 2, -1, 1),
            Skip = tensor(new[] { 0.5f }).requires_grad_(),
            Z = Row(0, 1, -1),
            Cotangent = ones(1, 3, 1),
        };
        List<Tensor?> results = inputs.Differentiate(scan => scan.Kernel((VectorWidth)width));
        float[][] expected =
        [
            [0, 1.03052759f, -0.36931033f], [0.14971185f, -0.64597611f, -0.06723536f], [0.11781405f, 0.51697572f, 0.20822869f], [0.08921201f, 0.00178994f],
            [0.10576186f, 0.08789999f, -0.57498108f, -1.29899594f, 0.13447071f, -0.13447071f], [0, 0, -0.23105858f, 0.75579308f, -0.20274203f, -0.30311094f],
            [-1.26894142f], [0.625f, 1.30767914f, 0.09932285f],
        ];
        for (int i = 0; i < expected.Length; i++)
        {
            float[] values = results[i]!.flatten().data<float>().ToArray();
            for (int j = 0; j < values.Length; j++) Assert.Equal(expected[i][j], values[j], 1e-6f);
        }
    }

    [Theory, MemberData(nameof(Widths))]
    public void BFloat16InputsMatchTheReferenceOnTheSameNumbers(int width)
    {
        using var scope = NewDisposeScope();
        ScanCase inputs = ScanCase.Random(2, 70, 41, 16, ordered: true, type: ScalarType.BFloat16);
        List<Tensor?> actual = inputs.Differentiate(scan => scan.Kernel((VectorWidth)width)), expected = inputs.Wide().Differentiate(scan => scan.Reference());
        for (int i = 0; i < actual.Count; i++)
        {
            bool parameter = i is 3 or 6 or 8;
            Assert.Equal(parameter ? ScalarType.Float32 : ScalarType.BFloat16, actual[i]!.dtype);
            // One rounding of the result to 8 significant bits is all that bfloat16 costs.
            Close.Assert(expected[i]!, actual[i]!, parameter ? Accuracy : 1.0 / 256, i == 0 ? "output" : ScanCase.Names[i - 1]);
        }
    }

    [Theory, MemberData(nameof(Widths))]
    public void ViewsOfWiderTensorsAreReadInPlace(int width)
    {
        using var scope = NewDisposeScope();
        using Generator generator = new(3);
        const long Batch = 2, Length = 21, Channels = 19, States = 16;
        Tensor projected = randn([Batch, Length, 2 * Channels], generator: generator).requires_grad_();
        Tensor parameters = randn([Batch, Length, 3 + 2 * States], generator: generator).requires_grad_();
        Tensor a = -rand([Channels, States], generator: generator), skip = randn([Channels], generator: generator), delta = randn([Batch, Length, Channels], generator: generator);
        ScanCase Views(Tensor wide, Tensor narrow) => new()
        {
            U = wide.narrow(-1, 0, Channels),
            Z = wide.narrow(-1, Channels, Channels),
            B = narrow.narrow(-1, 3, States),
            C = narrow.narrow(-1, 3 + States, States),
            Delta = delta.to(wide.dtype),
            A = a.to(wide.dtype),
            Skip = skip.to(wide.dtype),
            Cotangent = ones(Batch, Length, Channels, dtype: wide.dtype),
            Order = ScanCase.Shuffled(21, 5),
        };
        Tensor output = Views(projected, parameters).Kernel((VectorWidth)width);
        output.backward([ones_like(output)]);
        Tensor wideProjected = projected.detach().to(float64).requires_grad_(), wideParameters = parameters.detach().to(float64).requires_grad_();
        Tensor expected = Views(wideProjected, wideParameters).Reference();
        expected.backward([ones_like(expected)]);
        Close.Assert(expected, output, Accuracy, "output");
        Close.Assert(wideProjected.grad!, projected.grad!, Accuracy, "gradient of both halves of the projection");
        Close.Assert(wideParameters.grad!, parameters.grad!, Accuracy, "gradient of B and C");
    }

    [Theory, MemberData(nameof(Widths))]
    public void ChunkLengthChangesNothing(int width)
    {
        using var scope = NewDisposeScope();
        ScanCase inputs = ScanCase.Random(2, 70, 37, 5, ordered: true);
        List<Tensor?> whole = inputs.Differentiate(scan => scan.Kernel((VectorWidth)width, 70));
        foreach (int chunk in (int[])[1, 2, 7, 64, 69])
        {
            List<Tensor?> parts = inputs.Differentiate(scan => scan.Kernel((VectorWidth)width, chunk));
            for (int i = 0; i < whole.Count; i++) Assert.True(whole[i]!.equal(parts[i]!).all().item<bool>(), $"chunk {chunk}: result {i} differs");
        }
    }

    // However long the scan, the backward pass is left no more than this.
    [Theory]
    [InlineData(0, 128, 1, 1, 1)]
    [InlineData(1, 128, 1, 1, 1)]
    [InlineData(84, 128, 1, 84, 1)]
    [InlineData(1230, 128, 10, 123, 1)]
    [InlineData(70, 1, 14, 1, 5)]
    [InlineData(1_000_000, 128, 16, 128, 489)]
    public void KeptStatesAreFewHoweverLongTheScan(int tokens, int longestChunk, int count, int chunk, int chunksPerSegment)
    {
        var segments = new ScanSegments(tokens, longestChunk);
        Assert.Equal((count, chunk, chunksPerSegment), (segments.Count, segments.Chunk, segments.ChunksPerSegment));
        Assert.InRange(tokens, (segments.Count - 1) * segments.Tokens, segments.Count * segments.Tokens);
    }

    [Fact]
    public void NumberOfThreadsChangesNothing()
    {
        using var scope = NewDisposeScope();
        ScanCase inputs = ScanCase.Random(3, 70, 300, 16);
        int threads = get_num_threads();
        try
        {
            set_num_threads(1);
            List<Tensor?> one = inputs.Differentiate(scan => scan.Kernel(VectorWidths.Best));
            foreach (int count in (int[])[2, 3, 5])
            {
                set_num_threads(count);
                List<Tensor?> many = inputs.Differentiate(scan => scan.Kernel(VectorWidths.Best));
                for (int i = 0; i < one.Count; i++) Assert.True(one[i]!.equal(many[i]!).all().item<bool>(), $"{count} threads: result {i} differs");
            }
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    [Theory, MemberData(nameof(Widths))]
    public void ExtremesStayFinite(int width)
    {
        using var scope = NewDisposeScope();
        foreach (float raw in (float[])[-1e30f, -1000, -100, 100, 1e4f])
        {
            ScanCase random = ScanCase.Random(1, 9, 18, 4);
            var inputs = new ScanCase
            {
                U = random.U,
                Delta = full_like(random.Delta.detach(), raw).requires_grad_(),
                A = (random.A.detach() * 1e4).requires_grad_(),
                B = random.B,
                C = random.C,
                Skip = random.Skip,
                Z = (random.Z!.detach() * 100).requires_grad_(),
                Cotangent = random.Cotangent,
            };
            foreach (Tensor? result in inputs.Differentiate(scan => scan.Kernel((VectorWidth)width)))
                if (result is not null) Assert.True(result.isfinite().all().item<bool>(), $"raw delta {raw}");
        }
    }

    [Theory, MemberData(nameof(Widths))]
    public void NaNIsNotHidden(int width)
    {
        using var scope = NewDisposeScope();
        foreach (int which in (int[])[0, 1, 6])
        {
            ScanCase inputs = ScanCase.Random(1, 5, 18, 4);
            using (no_grad()) inputs.Leaves[which]!.select(1, 2).fill_(float.NaN);
            Assert.True(inputs.Kernel((VectorWidth)width).isnan().any().item<bool>(), ScanCase.Names[which]);
        }
    }

    [Fact]
    public void RepeatedRunsLeaveNoTensors() => LiveTensors.AssertFlat(() =>
    {
        using var scope = NewDisposeScope();
        ScanCase inputs = ScanCase.Random(2, 30, 20, 4);
        for (int step = 0; step < 3; step++) inputs.Kernel(VectorWidths.Best).sum().backward();
    });
}
