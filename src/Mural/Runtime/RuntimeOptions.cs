namespace Mural.Runtime;

/// <summary>What a run is asked to use. Everything left open is chosen by <see cref="RuntimePlan.Choose(RuntimeOptions)"/>.</summary>
public sealed record RuntimeOptions
{
    /// <summary>Device by PyTorch's name (<c>cpu</c>, <c>cuda</c>, <c>cuda:1</c>, <c>mps</c>); null takes the first CUDA device where there is one, else the CPU.</summary>
    public string? Device { get; init; }

    /// <summary>Number format of weights and activations; null takes the fastest that the device multiplies natively.</summary>
    public Precision? Precision { get; init; }

    /// <summary>Which implementation of the heavy operators is used. Devices other than the CPU always run libtorch's.</summary>
    public KernelSet Kernels { get; init; } = KernelSet.Mural;

    /// <summary>Threads of the CPU's operators, at least 1; null leaves libtorch's choice.</summary>
    public int? Threads { get; init; }
}
