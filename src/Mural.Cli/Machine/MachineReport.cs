using System.Globalization;
using System.Runtime.InteropServices;
using Mural.Cli.CommandLine;
using Mural.Layers.OneDnn;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Cli.Machine;

/// <summary>What <c>mural doctor</c> prints.</summary>
internal sealed record MachineReport
{
    public required string Mural { get; init; }

    public required string System { get; init; }

    public required string Processor { get; init; }

    public required IReadOnlyList<string> Features { get; init; }

    public required int Processors { get; init; }

    public required int Threads { get; init; }

    public required SystemMemory Memory { get; init; }

    public required string Libtorch { get; init; }

    public required AllocatorReport Allocator { get; init; }

    public required Choice Device { get; init; }

    public required Choice Precision { get; init; }

    public required Choice Kernels { get; init; }

    /// <summary>Number formats that oneDNN's packed weights serve here.</summary>
    public required IReadOnlyList<string> Packed { get; init; }

    /// <summary>How attention is computed, by its shape.</summary>
    public required IReadOnlyList<AttentionReport> Attention { get; init; }

    public required MachineRates Rates { get; init; }

    /// <summary>Looks at the machine, chooses, and measures for a few seconds.</summary>
    internal static MachineReport Create(RuntimeOptions options, CancellationToken cancellation)
    {
        RuntimePlan plan = RuntimePlan.Choose(options);
        plan.Apply();
        return new MachineReport
        {
            Mural = typeof(RuntimePlan).Assembly.GetName().Version!.ToString(3),
            System = $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}, {RuntimeInformation.FrameworkDescription}",
            Processor = ProcessorFeatures.Current.Name,
            Features = [.. ProcessorFeatures.Current.Names],
            Processors = Environment.ProcessorCount,
            Threads = get_num_threads(),
            Libtorch = __version__,
            Allocator = AllocatorReport.Create(),
            Device = new Choice(plan.Device.ToString(), plan.DeviceReason),
            Precision = new Choice(plan.Precision.ShortName(), plan.PrecisionReason),
            Kernels = new Choice(RunOptions.NameOf(plan.Kernels), plan.KernelsReason),
            Packed = [.. Enum.GetValues<Precision>().Where(Packs).Select(precision => precision.ShortName())],
            Attention = AttentionReport.Create(plan),
            Rates = MachineRates.Measure(plan.Device, TimeSpan.FromSeconds(2), cancellation),
            Memory = SystemMemory.Read(),
        };
    }

    private static bool Packs(Precision precision)
    {
        using Tensor weight = zeros(1, 1);
        return PackedOperators.Serves(weight, precision.ToScalarType());
    }

    internal IEnumerable<(string Name, string Value)> Lines()
    {
        yield return ("mural", Mural);
        yield return ("system", System);
        yield return ("processor", $"{Processor}: {string.Join(", ", Features.DefaultIfEmpty("no vector extensions"))}");
        yield return ("threads", $"{Threads} of {Processors} processors");
        yield return ("memory",
            $"{Human.Bytes(Memory.Total)}{(Memory.Available is { } free ? $", {Human.Bytes(free)} available" : "")}, {Human.Bytes(Memory.Resident)} in this process");
        yield return ("libtorch", Libtorch);
        yield return ("allocator", Allocator.Description);
        if (Allocator.Advice is { } advice) yield return ("", advice);
        yield return ("device", $"{Device.Chosen}: {Device.Reason}");
        yield return ("precision", $"{Precision.Chosen}: {Precision.Reason}");
        yield return ("kernels", $"{Kernels.Chosen}: {Kernels.Reason}");
        yield return ("packing", Packed.Count > 0
            ? $"oneDNN packs weights in {string.Join(" and ", Packed)}"
            : "oneDNN's packed weights are not there: plain operators run instead");
        foreach (AttentionReport attention in Attention)
            yield return ("attention", $"{attention.Chosen} for {string.Join(", ", attention.Shapes)}: {attention.Reason}");
        yield return ("products", string.Create(
            CultureInfo.InvariantCulture, $"{Rates.Single:0} GFLOP/s in f32 ({Rates.PackedSingle:0} packed), {Rates.BFloat:0} in bf16 ({Rates.PackedBFloat:0} packed)"));
    }
}
