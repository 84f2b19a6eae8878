using System.Collections.Concurrent;
using System.Globalization;
using Mural.Checkpoints;
using Mural.Cli.CommandLine;
using Mural.Cli.Machine;
using Mural.Pipelines;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Cli.Painting;

/// <summary>What a run will need, as people and programs read it: memory of each stage, and its time from the rate at which this machine multiplies.</summary>
internal static class ForecastReport
{
    // Share of the machine's rate that painting reaches, on whole maps and in strips.
    private const double WholeShare = 0.75, StripShare = 0.6;

    private const int RateSize = 1024;

    private static readonly TimeSpan RateTime = TimeSpan.FromMilliseconds(50);

    // One measurement serves a process.
    private static readonly ConcurrentDictionary<(ScalarType, KernelSet), double> Rates = [];

    /// <summary>One line before painting begins.</summary>
    internal static void SayShort(CommandContext context, MemoryForecast forecast, RuntimePlan runtime)
    {
        double[]? seconds = Seconds(forecast, runtime);
        string disk = forecast.DiskBytes > 0 ? string.Create(CultureInfo.InvariantCulture, $" and {forecast.DiskBytes / 1e9:0.0} GB on the disk") : "";
        string time = seconds is null ? "" : $", about {Duration(seconds.Sum())}";
        context.Say(string.Create(CultureInfo.InvariantCulture, $"Up to {forecast.Peak / 1e9:0.0} GB of memory{disk}{time}"));
    }

    /// <summary>A table of the stages.</summary>
    internal static void SayLong(CommandContext context, MemoryForecast forecast, RuntimePlan runtime)
    {
        double[]? seconds = Seconds(forecast, runtime);
        context.Say($"Mode: {EnumNames.Of(forecast.Mode)}{(forecast.CodecMode == forecast.Mode ? "" : $", the autoencoder's {EnumNames.Of(forecast.CodecMode)}")}");
        context.Say($"{"",-32}{"memory",12}{"disk",12}{"time",12}");
        foreach ((int i, MemoryStage stage) in forecast.Stages.Index())
            context.Say(string.Create(CultureInfo.InvariantCulture,
                $"{stage.Name,-32}{$"{stage.Bytes / 1e9:0.00} GB",12}{(stage.DiskBytes > 0 ? $"{stage.DiskBytes / 1e9:0.00} GB" : ""),12}"
                    + $"{(seconds is null ? "" : Duration(seconds[i])),12}"));
    }

    /// <summary>What is told of a run, for programs: beside its memory, disk and time what <c>mural generate</c> would tell of it.</summary>
    internal static object Document(PlannedRun run)
    {
        MemoryForecast forecast = run.Forecast;
        double[]? seconds = Seconds(forecast, run.Runtime);
        return new
        {
            model = run.Model.Name,
            run.Model.Family,
            run.Width,
            run.Height,
            run.Steps,
            device = run.Runtime.Device.ToString(),
            precision = run.Runtime.Precision.ShortName(),
            kernels = RunOptions.NameOf(run.Runtime.Kernels),
            mode = EnumNames.Of(forecast.Mode),
            autoencoderMode = EnumNames.Of(forecast.CodecMode),
            peakBytes = (long)forecast.Peak,
            diskBytes = (long)forecast.DiskBytes,
            run.DiskShortage,
            seconds = seconds is null ? (double?)null : Math.Round(seconds.Sum(), 1),
            stages = forecast.Stages.Select((stage, i) =>
                new { stage.Name, bytes = (long)stage.Bytes, diskBytes = (long)stage.DiskBytes, seconds = seconds is null ? (double?)null : Math.Round(seconds[i], 1) }),
            run.Warnings,
        };
    }

    /// <summary>What was told before the run, and the most that the process has held.</summary>
    internal static object Held(MemoryForecast forecast) => new
    {
        mode = EnumNames.Of(forecast.Mode),
        autoencoderMode = EnumNames.Of(forecast.CodecMode),
        predictedBytes = (long)forecast.Peak,
        peakBytes = SystemMemory.Read().Peak
    };

    /// <summary>The time of each stage on a machine that does so many operations a second.</summary>
    internal static double[] Seconds(MemoryForecast forecast, double rate) =>
        [.. forecast.Stages.Select(stage => 2 * stage.MultiplyAdds / (rate * (stage.Mode == MemoryMode.Whole ? WholeShare : StripShare)))];

    // Nothing is told of devices whose rate is not measured.
    private static double[]? Seconds(MemoryForecast forecast, RuntimePlan runtime)
    {
        if (runtime.Device.type != DeviceType.CPU) return null;
        double rate = Rates.GetOrAdd((runtime.Type, runtime.Kernels), kind => MachineRate.Measure(kind.Item1, kind.Item2, CPU, RateTime, RateSize)) * 1e9;
        return Seconds(forecast, rate);
    }

    private static string Duration(double seconds) => seconds switch
    {
        < 90 => string.Create(CultureInfo.InvariantCulture, $"{seconds:0} s"),
        < 5400 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 60:0} min"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{seconds / 3600:0.0} h"),
    };
}
