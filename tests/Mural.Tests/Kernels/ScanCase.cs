using Mural.Kernels;

namespace Mural.Tests.Kernels;

/// <summary>Random inputs of a selective scan, as leaves that take gradients.</summary>
internal sealed class ScanCase
{
    internal required Tensor U { get; init; }

    internal required Tensor Delta { get; init; }

    internal required Tensor A { get; init; }

    internal required Tensor B { get; init; }

    internal required Tensor C { get; init; }

    internal required Tensor Skip { get; init; }

    internal Tensor? Z { get; init; }

    internal Tensor? Bias { get; init; }

    internal required Tensor Cotangent { get; init; }

    internal ScanOrder? Order { get; init; }

    internal static readonly string[] Names = ["u", "delta", "A", "B", "C", "D", "z", "delta_bias"];

    internal Tensor?[] Leaves => [U, Delta, A, B, C, Skip, Z, Bias];

    internal static ScanCase Random(
        long batch, long length, long channels, long states, bool gated = true, bool biased = true, bool ordered = false, ScalarType type = ScalarType.Float32, ulong seed = 7)
    {
        using Generator generator = new(seed);
        Tensor Normal(params long[] shape) => randn(shape, generator: generator);
        Tensor Leaf(Tensor value, ScalarType leafType) => value.to(leafType).detach().requires_grad_();
        return new ScanCase
        {
            U = Leaf(Normal(batch, length, channels), type),
            Delta = Leaf(Normal(batch, length, channels) - 1, type),
            A = Leaf(-(Normal(channels, states) * 0.7).exp() * 2, ScalarType.Float32),
            B = Leaf(Normal(batch, length, states), type),
            C = Leaf(Normal(batch, length, states), type),
            Skip = Leaf(Normal(channels), ScalarType.Float32),
            Z = gated ? Leaf(Normal(batch, length, channels), type) : null,
            Bias = biased ? Leaf(Normal(channels), ScalarType.Float32) : null,
            Cotangent = Normal(batch, length, channels).to(type),
            Order = ordered ? Shuffled((int)length, (int)seed) : null,
        };
    }

    internal static ScanOrder Shuffled(int length, int seed)
    {
        int[] table = [.. Enumerable.Range(0, length)];
        new Random(seed).Shuffle(table);
        return new ScanOrder(table);
    }

    /// <summary>The same numbers in float64, as new leaves.</summary>
    internal ScanCase Wide()
    {
        static Tensor Widen(Tensor tensor) => tensor.detach().to(ScalarType.Float64).requires_grad_();
        return new ScanCase
        {
            U = Widen(U),
            Delta = Widen(Delta),
            A = Widen(A),
            B = Widen(B),
            C = Widen(C),
            Skip = Widen(Skip),
            Z = Z is null ? null : Widen(Z),
            Bias = Bias is null ? null : Widen(Bias),
            Cotangent = Cotangent.to(ScalarType.Float64),
            Order = Order,
        };
    }

    internal Tensor Kernel(VectorWidth width, int longestChunk = ScanCall.DefaultChunk) =>
        SelectiveScan.Run(U, Delta, A, B, C, Skip, Z, Bias, new ScanCall(Order, width, longestChunk));

    internal Tensor Reference() => SelectiveScanReference.Apply(U, Delta, A, B, C, Skip, Z, Bias, Order).Output;

    /// <summary>Output and the gradients of every leaf, for the stored cotangent.</summary>
    internal List<Tensor?> Differentiate(Func<ScanCase, Tensor> scan)
    {
        Tensor output = scan(this);
        output.backward([Cotangent]);
        List<Tensor?> results = [output.detach()];
        foreach (Tensor? leaf in Leaves) results.Add(leaf?.grad?.clone());
        foreach (Tensor? leaf in Leaves)
            if (leaf is not null) leaf.grad = null;
        return results;
    }
}
