using Mural.Kernels;

namespace Mural.Tests.Kernels;

/// <summary>Compares a kernel with its reference, which computes the same in float64: output and the gradients of all inputs.</summary>
internal sealed class OperatorCheck
{
    // What the specification promises of float32 (dim.md 2.2); a bfloat16 result has one rounding to 8 significant bits.
    private const double Float32Accuracy = 1e-5, BFloat16Accuracy = 1.0 / 256;

    internal required string Name { get; init; }

    internal required Tensor[] Inputs { get; init; }

    internal required Func<Tensor[], Tensor> Kernel { get; init; }

    internal required Func<Tensor[], Tensor> Reference { get; init; }

    /// <summary>Every form of a kernel. Those wider than the processor's vectors run too, only slower.</summary>
    internal static TheoryData<int> Widths => [.. Enum.GetValues<VectorWidth>().Select(width => (int)width)];

    internal void Assert()
    {
        List<Tensor> actual = Differentiate(Kernel, Inputs), expected = Differentiate(Reference, [.. Inputs.Select(input => input.to(float64))]);
        for (int i = 0; i < actual.Count; i++)
        {
            string result = i == 0 ? "output" : $"gradient {i - 1}";
            if (i > 0) Xunit.Assert.Equal(Inputs[i - 1].dtype, actual[i].dtype);
            // Sums whose terms cancel are measured by the size of the cotangent, which is normal.
            Close.Assert(expected[i], actual[i], actual[i].dtype == bfloat16 ? BFloat16Accuracy : Float32Accuracy, $"{Name}: {result}", scale: 1);
        }
    }

    /// <summary>Fails unless all results are bit for bit the same with one thread and with several.</summary>
    internal void AssertThreadsChangeNothing()
    {
        int threads = get_num_threads();
        try
        {
            set_num_threads(1);
            List<Tensor> one = Differentiate(Kernel, Inputs);
            foreach (int count in (int[])[2, 3, 5])
            {
                set_num_threads(count);
                List<Tensor> many = Differentiate(Kernel, Inputs);
                for (int i = 0; i < one.Count; i++) Xunit.Assert.True(one[i].equal(many[i]).all().item<bool>(), $"{Name}: {count} threads change result {i}");
            }
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    /// <summary>Fails unless forward and backward passes leave no tensors behind, and a pass without gradients makes a result without history.</summary>
    internal void AssertLeavesNothing()
    {
        LiveTensors.AssertFlat(() =>
        {
            using var scope = NewDisposeScope();
            Differentiate(Kernel, Inputs);
            using var inference = no_grad();
            Xunit.Assert.False(Kernel(Inputs).requires_grad);
        });
    }

    /// <summary>Output and the gradient of each input, for a normal cotangent.</summary>
    private static List<Tensor> Differentiate(Func<Tensor[], Tensor> operation, Tensor[] inputs)
    {
        Tensor[] leaves = [.. inputs.Select(input => input.detach().clone().requires_grad_())];
        Tensor output = operation(leaves);
        using var generator = new Generator(11);
        Tensor cotangent = randn(output.shape, generator: generator).to(bfloat16).to(output.dtype);
        output.backward([cotangent]);
        return [output.detach(), .. leaves.Select(leaf => leaf.grad!)];
    }
}
