using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>The gradients that a backward scan writes: per token in the inputs' own types, sums in float32 partial results that <see cref="Results"/> adds up.</summary>
internal sealed unsafe class ScanGradients : IDisposable
{
    // Enough items of work for many threads; more would only cost memory for partial sums.
    private const int WantedItems = 64;

    private readonly ScanInputs _inputs;
    private readonly Tensor _u, _delta, _rates, _b, _c, _skip, _bias;
    private readonly Tensor? _z;
    private readonly float* _ratesData, _skipData, _biasData;

    internal ScanGradients(in ScanInputs inputs, in ScanProblem problem, Tensor outputGradient)
    {
        _inputs = inputs;
        // By the problem alone, never by the number of threads: it decides the order of sums.
        int groups = Math.Clamp((WantedItems + problem.Batch - 1) / Math.Max(1, problem.Batch), 1, Math.Max(1, problem.Blocks));
        BlocksPerGroup = Math.Max(1, (problem.Blocks + groups - 1) / groups);
        Groups = (problem.Blocks + BlocksPerGroup - 1) / BlocksPerGroup;

        _u = empty(inputs.U.shape, inputs.U.dtype);
        _delta = empty(inputs.Delta.shape, inputs.Delta.dtype);
        _z = inputs.Z is null ? null : empty(inputs.Z.shape, inputs.Z.dtype);
        _b = empty(Groups, problem.Batch, problem.States, problem.PaddedLength);
        _c = empty(Groups, problem.Batch, problem.States, problem.PaddedLength);
        _rates = empty(problem.Batch, problem.Channels, problem.States);
        _skip = empty(problem.Batch, problem.Channels);
        _bias = empty(problem.Batch, problem.Channels);
        Output = new Rows(outputGradient);
        U = new Rows(_u);
        Delta = new Rows(_delta);
        if (_z is not null) Z = new Rows(_z);
        B = TensorData.Floats(_b);
        C = TensorData.Floats(_c);
        _ratesData = TensorData.Floats(_rates);
        _skipData = TensorData.Floats(_skip);
        _biasData = TensorData.Floats(_bias);
    }

    /// <summary>Groups of channel blocks whose sums over channels are taken apart.</summary>
    internal int Groups { get; }

    internal int BlocksPerGroup { get; }

    /// <summary>Gradient of the output, in storage order.</summary>
    internal Rows Output { get; }

    internal Rows U { get; }

    internal Rows Delta { get; }

    internal Rows Z { get; }

    /// <summary>Partial gradients of B, `[group][batch][state][padded token]`.</summary>
    internal float* B { get; }

    /// <summary>Partial gradients of C, likewise.</summary>
    internal float* C { get; }

    /// <summary>Writes one sample's part of the gradients of a block's parameters.</summary>
    internal void StoreParameters(in ScanProblem problem, in ScanBlock span, int lanes, in ScanBackwardBuffers buffers)
    {
        for (int local = 0; local < span.Channels; local++)
        {
            long channel = (long)span.Batch * problem.Channels + span.First + local;
            _skipData[channel] = buffers.GradSkip[local];
            _biasData[channel] = buffers.GradBias[local];
            float* source = buffers.GradRates + (local / lanes * problem.PaddedStates * lanes) + local % lanes;
            for (int state = 0; state < problem.States; state++) _ratesData[channel * problem.States + state] = source[state * lanes];
        }
    }

    /// <summary>The gradients in the order of <see cref="ScanInputs"/>; null for inputs that are absent.</summary>
    internal List<Tensor?> Results() =>
    [
        _u.alias(), _delta.alias(), _rates.sum([0]), Sum(_b, _inputs.B), Sum(_c, _inputs.C), _skip.sum([0]), _z?.alias(), _inputs.DeltaBias is null ? null : _bias.sum([0]),
    ];

    private static Tensor Sum(Tensor parts, Tensor input)
    {
        using Tensor sum = parts.sum([0]);
        using Tensor tokens = sum.narrow(-1, 0, input.shape[1]);
        using Tensor states = tokens.transpose(1, 2);
        using Tensor joined = states.contiguous();
        return joined.to(input.dtype, copy: true);
    }

    public void Dispose()
    {
        foreach (Tensor? tensor in (Tensor?[])[_u, _delta, _rates, _b, _c, _skip, _bias, _z]) tensor?.Dispose();
    }
}
