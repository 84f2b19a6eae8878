using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Kernels;

/// <summary>How one call of the scan kernel runs.</summary>
/// <param name="Order">Storage row of each scan token, or null.</param>
/// <param name="Width">Form of the kernel.</param>
/// <param name="LongestChunk">Tokens that the backward pass computes once more at a time; changes memory and speed, never results.</param>
internal sealed record ScanCall(ScanOrder? Order, VectorWidth Width, int LongestChunk = ScanCall.DefaultChunk)
{
    /// <summary>Keeps a worker's buffers within the second-level cache.</summary>
    internal const int DefaultChunk = 128;

    /// <summary>Receives the state after the last token. Contiguous float32. Shape: `[B, E, N]`.</summary>
    internal Tensor? LastState { get; init; }
}

/// <summary>Between tensors and the scan kernel: which inputs it takes, and allocation.</summary>
internal static unsafe class SelectiveScanKernel
{
    internal static bool Serves(Tensor u, Tensor delta, Tensor b, Tensor c, Tensor? z) =>
        u.device_type == DeviceType.CPU && Rows.Serves(u.dtype) && Rows.Serves(delta.dtype) && Rows.Serves(b.dtype) && Rows.Serves(c.dtype)
        && (z is null || Rows.Serves(z.dtype));

    /// <summary>Brings inputs into layouts that the kernel reads; differentiable, and without copies where the channels lie together.</summary>
    internal static ScanInputs Prepare(
        Tensor u, Tensor delta, Tensor rates, Tensor b, Tensor c, Tensor skip, Tensor? z, Tensor? deltaBias, ScanOrder? order) => new(
            Rows.WithJoinedChannels(u), Rows.WithJoinedChannels(delta), Parameter(rates), Rows.WithJoinedChannels(b), Rows.WithJoinedChannels(c),
            Parameter(skip), z is null ? null : Rows.WithJoinedChannels(z), deltaBias is null ? null : Parameter(deltaBias), order);

    private static Tensor Parameter(Tensor parameter) => parameter.to(ScalarType.Float32).contiguous();

    /// <returns>Output in storage order and in the type of u. Shape: `[B, L, E]`.</returns>
    internal static Tensor Forward(in ScanInputs inputs, ScanCall call) => Forward(inputs, new ScanProblem(inputs), call, default, null);

    /// <returns>As <see cref="Forward(in ScanInputs, ScanCall)"/>, and what <see cref="Backward"/> needs of the states; null where that is nothing.</returns>
    internal static (Tensor Output, Tensor? States) ForwardWithStates(in ScanInputs inputs, ScanCall call)
    {
        var problem = new ScanProblem(inputs);
        var segments = new ScanSegments(problem.Length, call.LongestChunk);
        Tensor? states = segments.Count > 1 ? segments.NewStates(problem) : null;
        return (Forward(inputs, problem, call, segments, states), states);
    }

    private static Tensor Forward(in ScanInputs inputs, in ScanProblem problem, ScanCall call, ScanSegments segments, Tensor? states)
    {
        Tensor output = empty(inputs.U.shape, inputs.U.dtype);
        float* last = call.LastState is null ? null : TensorData.Floats(call.LastState), kept = states is null ? null : TensorData.Floats(states);
        call.Width.Passes<SelectiveScanForward>().Run(problem, new Rows(output), last, segments, kept);
        GC.KeepAlive(inputs);
        GC.KeepAlive(states);
        return output;
    }

    /// <returns>Gradients in the order of <see cref="ScanInputs"/>; null for absent inputs.</returns>
    internal static List<Tensor?> Backward(in ScanInputs inputs, ScanCall call, Tensor? states, Tensor outputGradient)
    {
        Tensor incoming = Rows.WithJoinedChannels(outputGradient.to(inputs.U.dtype));
        var problem = new ScanProblem(inputs);
        var segments = new ScanSegments(problem.Length, call.LongestChunk);
        float* kept = states is null ? null : TensorData.Floats(states);
        using var gradients = new ScanGradients(inputs, problem, incoming);
        call.Width.Passes<SelectiveScanBackward>().Run(problem, gradients, segments, kept);
        GC.KeepAlive(inputs);
        GC.KeepAlive(states);
        GC.KeepAlive(incoming);
        return gradients.Results();
    }
}
