using System.Text.Json.Serialization;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Cli.Machine;

/// <summary>Measured rates of matrix products, in GFLOP/s.</summary>
/// <param name="F32">A plain product of float32.</param>
/// <param name="BF16">A plain product of bfloat16.</param>
internal sealed record MachineRates([property: JsonPropertyName("f32")] double F32, [property: JsonPropertyName("bf16")] double BF16)
{
    /// <summary>Measures for about <paramref name="each"/> a rate.</summary>
    internal static MachineRates Measure(Device device, TimeSpan each, CancellationToken cancellation)
    {
        double Rate(ScalarType type)
        {
            cancellation.ThrowIfCancellationRequested();
            return Math.Round(MachineRate.Measure(type, device, each), 1);
        }

        return new MachineRates(Rate(ScalarType.Float32), Rate(ScalarType.BFloat16));
    }
}
