using Mural.DiM;
using Mural.Kernels;
using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Cli.Bench;

/// <summary>
/// The selective scan of one DiM-H block at 512x512 pixels, and of a small model's training step; beside them the matrix products of the same block, which a scan
/// must not outlast.
/// </summary>
internal static class ScanBench
{
    private const int States = 16;

    // Of the recurrence step by step the backward pass keeps every state of every token: a tenth of them shows its speed.
    private const int PlainParts = 10;

    private static readonly Sizes Painting = new(2, DiMConfig.Huge512);

    private static readonly Sizes Training = new(32, DiMConfig.Small with { Width = 384, SampleSize = 16, PadLength = 1 });

    internal static Benchmark Create() => new("scan", "The selective scan of a DiM block, beside the block's matrix products.", () =>
    [
        Forward("forward", Painting),
        Forward("forward-all-states", Painting, allStates: true),
        Backward("backward", Painting),
        Products("products", Painting),
        Forward("training-forward", Training),
        Backward("training-backward", Training),
        Products("training-products", Training),
    ]);

    private sealed record Sizes(int Batch, DiMConfig Model)
    {
        internal int Length => Model.SequenceLength(Model.TrainedGrid);

        public override string ToString() => $"batch {Batch}, {Model.InnerWidth} channels, {States} states, {Length} tokens";
    }

    // The libtorch side of "all states" is how Mamba's own reference is written; the other computes each step's states as it gets there.
    private static BenchRow Forward(string name, Sizes sizes, bool allStates = false) => new()
    {
        Name = name,
        About = $"forward scan with softplus, D and gate: {sizes}, bf16 in and out, column order"
            + (allStates ? "; compared with decays and inputs of all states made first, then one step a token" : ""),
        Prepare = kernels =>
        {
            var inputs = new Inputs(sizes, sizes.Length, requireGradients: false);
            return new BenchWork(
                () =>
                {
                    using var inference = no_grad();
                    if (allStates && kernels == KernelSet.Libtorch) inputs.ScanAllStates().Dispose();
                    else inputs.Scan(kernels).Dispose();
                },
                inputs);
        },
    };

    private static BenchRow Backward(string name, Sizes sizes) => new()
    {
        Name = name,
        About = $"backward scan, gradients of all inputs: {sizes}",
        Prepare = kernels =>
        {
            int parts = kernels == KernelSet.Mural ? 1 : PlainParts, length = (sizes.Length + parts - 1) / parts;
            var inputs = new Inputs(sizes, length, requireGradients: true);
            Tensor output = inputs.Scan(kernels), cotangent = ones_like(output);
            return new BenchWork(
                () =>
                {
                    using var scope = NewDisposeScope();
                    autograd.grad([output], inputs.Leaves, [cotangent], retain_graph: true);
                },
                new Held(output, cotangent, inputs),
                (double)sizes.Length / length,
                parts > 1 ? $"{length} of {sizes.Length} tokens were run and the time multiplied by the ratio" : null);
        },
    };

    private static BenchRow Products(string name, Sizes sizes)
    {
        DiMConfig model = sizes.Model;
        (long Inputs, long Outputs)[] shapes =
        [
            (model.Width, 2L * model.InnerWidth), (model.InnerWidth, model.TimeStepRank + 2L * States), (model.TimeStepRank, model.InnerWidth), (model.InnerWidth, model.Width),
        ];
        long rows = (long)sizes.Batch * sizes.Length;
        return new BenchRow
        {
            Name = name,
            About = $"the block's matrix products: {rows} tokens, {string.Join(", ", shapes.Select(shape => $"{shape.Inputs} to {shape.Outputs}"))}, bf16",
            Operations = 2.0 * rows * shapes.Sum(shape => shape.Inputs * shape.Outputs),
            Prepare = kernels =>
            {
                Linear[] layers = [.. shapes.Select(shape => new Linear(shape.Inputs, shape.Outputs, bias: false))];
                Tensor[] inputs = [.. shapes.Select(shape => Machine.MachineRate.Fill(rows, shape.Inputs, ScalarType.BFloat16))];
                foreach (Linear layer in layers) layer.Freeze(kernels, ScalarType.BFloat16);
                return new BenchWork(
                    () =>
                    {
                        using var inference = inference_mode();
                        for (int i = 0; i < layers.Length; i++) layers[i].call(inputs[i]).Dispose();
                    },
                    new Held([.. layers, .. inputs]));
            },
        };
    }

    /// <summary>Inputs laid out as in a block: values contiguous, gate and vectors as parts of joined projections, steps as a fresh model has them.</summary>
    private sealed class Inputs : IDisposable
    {
        private readonly Tensor _values, _steps, _rates, _b, _c, _skip, _gate, _bias;
        private readonly ScanOrder? _order;

        internal Inputs(Sizes sizes, int length, bool requireGradients)
        {
            using DisposeScope scope = NewDisposeScope();
            using Generator generator = new(1, CPU);
            DiMConfig model = sizes.Model;
            int channels = model.InnerWidth;
            Tensor Keep(Tensor value, ScalarType type) => value.to(type).detach().requires_grad_(requireGradients).MoveToOuterDisposeScope();
            Tensor Normal(params long[] shape) => randn(shape, generator: generator);
            _values = Keep(Normal(sizes.Batch, length, channels), ScalarType.BFloat16);
            _steps = Keep(Normal(sizes.Batch, length, channels), ScalarType.BFloat16);
            _rates = Keep(-arange(1, States + 1).to(ScalarType.Float32).repeat(channels, 1), ScalarType.Float32);
            Tensor vectors = Normal(sizes.Batch, length, model.TimeStepRank + 2 * States).to(ScalarType.BFloat16);
            _b = Keep(vectors.narrow(2, model.TimeStepRank, States), ScalarType.BFloat16);
            _c = Keep(vectors.narrow(2, model.TimeStepRank + States, States), ScalarType.BFloat16);
            _skip = Keep(ones(channels), ScalarType.Float32);
            _gate = Keep(Normal(sizes.Batch, length, 2L * channels).to(ScalarType.BFloat16).narrow(2, channels, channels), ScalarType.BFloat16);
            _bias = Keep(full(channels, -4f), ScalarType.Float32);
            _order = length == sizes.Length ? ScanOrders.Of(model.TrainedGrid.Padded(model.PadLength), model.FrontTokens, ScanDirection.ColumnForward) : null;
        }

        internal Tensor[] Leaves => [_values, _steps, _rates, _b, _c, _skip, _gate, _bias];

        internal Tensor Scan(KernelSet kernels)
        {
            using DisposeScope scope = NewDisposeScope();
            return SelectiveScan.Apply(_values, _steps, _rates, _b, _c, _skip, _gate, _bias, _order, kernels).MoveToOuterDisposeScope();
        }

        internal Tensor ScanAllStates()
        {
            using DisposeScope scope = NewDisposeScope();
            SelectiveScanTerms terms = SelectiveScanTerms.Of(_values, _steps, _rates, _b, _c, _skip, _bias);
            Tensor decays = (terms.Steps.transpose(1, 2).unsqueeze(-1) * terms.Rates.view(1, -1, 1, States)).exp();
            Tensor entering = terms.Inputs.transpose(1, 2).unsqueeze(-1) * terms.B.unsqueeze(1);
            Tensor state = zeros(_values.shape[0], _values.shape[2], States);
            var outputs = new List<Tensor>();
            for (long t = 0; t < _values.shape[1]; t++)
            {
                using DisposeScope step = NewDisposeScope();
                Tensor next = decays.select(2, t) * state + entering.select(2, t);
                state.Dispose();
                state = next.MoveToOuterDisposeScope();
                outputs.Add(einsum("bdn,bn->bd", state, terms.C.select(1, t)).MoveToOuterDisposeScope());
            }
            Tensor y = stack(outputs, 1) + terms.Skipped;
            return SelectiveScanGate.ToStorage(y, _gate.to(y.dtype), _order).to(_values.dtype).MoveToOuterDisposeScope();
        }

        public void Dispose()
        {
            foreach (Tensor tensor in Leaves) tensor.Dispose();
        }
    }
}
