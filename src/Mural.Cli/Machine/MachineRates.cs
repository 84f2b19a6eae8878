using System.Text.Json.Serialization;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Cli.Machine;

/// <summary>Measured rates of products of two 2048x2048 matrices, in GFLOP/s.</summary>
/// <param name="Single">float32, plain.</param>
/// <param name="PackedSingle">float32 on packed weights.</param>
/// <param name="BFloat">bfloat16, plain.</param>
/// <param name="PackedBFloat">bfloat16 on packed weights.</param>
internal sealed record MachineRates(
    [property: JsonPropertyName("f32")] double Single,
    [property: JsonPropertyName("f32Packed")] double PackedSingle,
    [property: JsonPropertyName("bf16")] double BFloat,
    [property: JsonPropertyName("bf16Packed")] double PackedBFloat)
{
    /// <summary>The most that this machine reaches in a number format, however the product is run.</summary>
    internal double Best(ScalarType type) => type == ScalarType.Float32 ? Math.Max(Single, PackedSingle) : Math.Max(BFloat, PackedBFloat);

    /// <summary>Measures each rate for a quarter of <paramref name="budget"/>.</summary>
    internal static MachineRates Measure(Device device, TimeSpan budget, CancellationToken cancellation)
    {
        double Rate(ScalarType type, KernelSet kernels)
        {
            cancellation.ThrowIfCancellationRequested();
            return Math.Round(MachineRate.Measure(type, kernels, device, budget / 4), 1);
        }

        return new MachineRates(
            Rate(ScalarType.Float32, KernelSet.Libtorch),
            Rate(ScalarType.Float32, KernelSet.Mural),
            Rate(ScalarType.BFloat16, KernelSet.Libtorch),
            Rate(ScalarType.BFloat16, KernelSet.Mural));
    }

    /// <summary>The median of each rate.</summary>
    internal static MachineRates Median(IReadOnlyList<MachineRates> rates)
    {
        double Of(Func<MachineRates, double> rate) => Statistics.Median([.. rates.Select(rate)]);
        return new MachineRates(Of(r => r.Single), Of(r => r.PackedSingle), Of(r => r.BFloat), Of(r => r.PackedBFloat));
    }
}
