using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Layers;

/// <summary>
/// Gradient checkpointing: the forward pass of a part of a network keeps only the part's inputs; the backward pass computes the part once more to
/// get what its gradients need.
/// </summary>
internal static class GradientCheckpoint
{
    /// <summary>Runs <paramref name="part"/> so that the backward pass repeats it. It must give the same result both times.</summary>
    /// <param name="part">Computes one tensor from the inputs, and from the parameters that it holds.</param>
    /// <param name="inputs">What it is called with.</param>
    /// <param name="parameters">The parameters it uses that may need gradients.</param>
    internal static Tensor Run(Func<IReadOnlyList<Tensor>, Tensor> part, IReadOnlyList<Tensor> inputs, IEnumerable<Tensor> parameters)
    {
        if (!is_grad_enabled()) return part(inputs);
        return Recomputation.apply([part, inputs.Count, .. inputs, .. parameters]);
    }

    private sealed class Recomputation : autograd.SingleTensorFunction<Recomputation>
    {
        private const string Part = nameof(Part), InputCount = nameof(InputCount);

        // The engine reads the handles after backward has returned; until then something must hold the tensors.
        [ThreadStatic]
        private static List<Tensor>? _returned;

        public override string Name => nameof(Recomputation);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var part = (Func<IReadOnlyList<Tensor>, Tensor>)vars[0];
            int inputs = (int)vars[1];
            List<Tensor> tensors = [.. vars.Skip(2).Cast<Tensor>()];
            ctx.save_data(Part, part);
            ctx.save_data(InputCount, inputs);
            ctx.save_for_backward(tensors);
            return part(tensors[..inputs]);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using DisposeScope scope = NewDisposeScope();
            var part = (Func<IReadOnlyList<Tensor>, Tensor>)ctx.get_data(Part);
            int inputs = (int)ctx.get_data(InputCount);
            List<Tensor> saved = ctx.get_saved_variables();
            // Cut from the graph before them, so that this backward pass ends at the inputs. Parameters are leaves of any graph.
            List<Tensor> leaves = [.. saved.Select((tensor, i) => i < inputs ? tensor.detach().requires_grad_(tensor.requires_grad) : tensor)];
            Tensor output;
            using (enable_grad()) output = part(leaves[..inputs]);

            int[] wanted = [.. Enumerable.Range(0, leaves.Count).Where(i => leaves[i].requires_grad)];
            IList<Tensor> gradients = autograd.grad([output], [.. wanted.Select(i => leaves[i])], [grad_output], allow_unused: true);
            var result = new List<Tensor> { null!, null! };
            result.AddRange(Enumerable.Repeat<Tensor>(null!, leaves.Count));
            for (int i = 0; i < wanted.Length; i++)
                if (!gradients[i].IsInvalid) result[2 + wanted[i]] = gradients[i].MoveToOuterDisposeScope();
            return _returned = result;
        }
    }
}
