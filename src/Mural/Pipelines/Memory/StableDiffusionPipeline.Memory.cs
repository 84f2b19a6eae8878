using System.Globalization;
using Mural.Attention;
using Mural.HiDiffusion;
using Mural.Layers.Strips;
using Mural.Runtime;
using Mural.UNet;
using TorchSharp;

namespace Mural.Pipelines;

// Memory and work of a run, told before it begins, and the mode that fits.
public sealed partial class StableDiffusionPipeline
{
    // Latents of the sampler: state, noise, picture, answers, estimates.
    private const int SamplerLatents = 12;

    private const int TextTokens = 77;

    // Beside weights and maps a run holds scratch space of the libraries, their code, and free pieces between tensors: 0.1 to 0.5 GB in the runs of `mural bench memory`.
    private const double WorkingBytes = 0.25e9;

    /// <summary>
    /// Share of a forecast that is left free below a limit: what a run holds beside weights and maps differs from one size and processor to the next, and the runs that
    /// <c>docs/performance.md</c> lists held up to 14 % more than was told.
    /// </summary>
    internal const double Margin = 0.15;

    /// <summary>What <see cref="GenerateAsync"/> will need.</summary>
    /// <exception cref="MuralException">The run does not fit into the memory in any mode.</exception>
    public MemoryForecast Forecast(StableDiffusionPlan plan) => ForecastWithin(plan, MemoryLimit());

    /// <summary>What <see cref="GenerateLargeAsync"/> will need.</summary>
    /// <exception cref="MuralException">The run does not fit into the memory in any mode.</exception>
    public MemoryForecast Forecast(LargePicturePlan plan) => ForecastWithin(plan, MemoryLimit());

    /// <summary>Whether so many bytes, as they are told, may be counted on to stay below a limit.</summary>
    internal static bool Fits(double bytes, long limit) => bytes * (1 + Margin) <= limit;

    /// <summary>What a run will need where so many bytes are allowed.</summary>
    internal MemoryForecast ForecastWithin(StableDiffusionPlan plan, long limit) => Fitting((network, codec) => Forecast(plan, network, codec), plan.Request, limit);

    /// <summary>The same for a large picture.</summary>
    internal MemoryForecast ForecastWithin(LargePicturePlan plan, long limit) => Fitting((network, codec) => Forecast(plan, network, codec), plan.Request.Picture, limit);

    /// <summary>What a run would need with its networks in a mode, and its autoencoder in that or another.</summary>
    internal MemoryForecast Forecast(StableDiffusionPlan plan, MemoryMode mode, MemoryMode? codec = null)
    {
        int together = Math.Min(_options.BatchSize, plan.Request.Count);
        return new MemoryForecast
        {
            Mode = mode,
            AskedCodecMode = codec ?? mode,
            Stages = [Reading, .. PartsOf(plan, "", mode, codec ?? mode, together, plan.Request.InitialPicture is not null)]
        };
    }

    /// <summary>The same for a large picture.</summary>
    internal MemoryForecast Forecast(LargePicturePlan plan, MemoryMode mode, MemoryMode? codec = null)
    {
        List<MemoryStage> stages = [Reading];
        foreach ((int i, LargePictureStage stage) in plan.Stages.Index())
        {
            if (stage.Calls == 0) continue;
            int callsPerStep = plan.Method != UpscaleMethod.SdEdit && i > 0 ? 2 : 1;
            bool encodes = i > 0 || stage.Plan.Request.InitialPicture is not null;
            IEnumerable<MemoryStage> parts = PartsOf(stage.Plan, $" {stage.Width}x{stage.Height}", mode, codec ?? mode, 1, encodes, callsPerStep);
            stages.AddRange(parts.Select(part => part with { PictureStage = i }));
        }
        return new MemoryForecast { Mode = mode, AskedCodecMode = codec ?? mode, Stages = stages };
    }

    private double Loaded => (_refiner ?? _parts).ResidentBytes + _adapterBytes + _parts.KeptBytes + _parts.KeptTextBytes;

    // Text encoders that are not kept are gone when painting begins.
    private double Painted => Loaded + WorkingBytes - (_options.KeepTextEncoders ? 0 : _parts.TextBytes + _parts.KeptTextBytes + (_refiner?.TextBytes ?? 0));

    private MemoryStage Reading => new("reading", Loaded, 0, 0);

    private IEnumerable<MemoryStage> PartsOf(StableDiffusionPlan plan, string size, MemoryMode mode, MemoryMode codecMode, int together, bool encodes, int callsPerStep = 1)
    {
        int count = plan.Request.Count;
        CodecEstimate codec = _parts.Codec.Estimate(plan.Height, plan.Width, codecMode);
        MemoryStage Coding(string name, LiveBytes work, int times, double disk) =>
            new(name + size, Painted + work.Peak, work.MultiplyAdds * times, disk) { IsCodec = true, Mode = codec.Mode };
        if (encodes) yield return Coding("encoding", codec.Encode, 1, codec.EncodeDiskBytes);
        yield return Painting("painting" + size, _parts.UNet, plan, mode, together, count * callsPerStep);
        if (plan.Refiner is { } second) yield return Painting("refining" + size, _refiner!.UNet, second, mode, together, count);
        yield return Coding("decoding", codec.Decode, count, codec.DecodeDiskBytes);
    }

    private MemoryStage Painting(string name, UNet2DConditionModel network, StableDiffusionPlan plan, MemoryMode mode, int together, int times)
    {
        var map = new MapSize(plan.Height / Model.Multiple, plan.Width / Model.Multiple);
        int bytes = (int)Runtime.Type.ElementSize();
        TextCounts texts = TextCounts.Of(plan, _options.Prompts);
        int batch = mode == MemoryMode.Whole ? together * (BatchesGuidance(plan) ? texts.All : 1) : 1;
        TokenMixing mixing = TokenMixing.Of(network);
        double peak = 0, multiplyAdds = 0;
        foreach ((HiDiffusionStep? step, int calls) in StepsOf(plan))
        {
            peak = Math.Max(peak, new UNetEstimate(network.Config, mixing, mode, step).Run(map, batch, bytes, new StripOptions().StripBytes));
            multiplyAdds += calls * texts.All * UNetCost.Forward(network.Config, map, TextTokens, mixing.IsLinear, step);
        }
        (double controlBytes, double controlMultiplyAdds) = Controls(plan, map, batch * bytes, texts);
        double latents = SamplerLatents * sizeof(float) * _parts.Codec.LatentChannels * map.Count * together;
        double disk = mode == MemoryMode.Disk ? UNetEstimate.SkipBytes(network.Config, map, bytes) : 0;
        return new MemoryStage(name, Painted + peak + controlBytes + latents, (multiplyAdds + controlMultiplyAdds) * times, disk) { Mode = mode };
    }

    // The kinds of calls, and how many there are of each.
    private static IEnumerable<(HiDiffusionStep? Step, int Calls)> StepsOf(StableDiffusionPlan plan)
    {
        if (plan.HiDiffusion is not { } hiDiffusion) return [(null, plan.Calls)];
        using var nowhere = new WindowShifts([]);
        return hiDiffusion.Kinds(plan.Calls, nowhere).Select(kind => ((HiDiffusionStep?)kind.Step, kind.Calls));
    }

    // What ControlNets add to the UNet's skips is held while that runs, that of several once more as their sum.
    private static (double Bytes, double MultiplyAdds) Controls(StableDiffusionPlan plan, MapSize map, double elementBytes, TextCounts texts)
    {
        IReadOnlyList<ControlInput> controls = plan.Request.Controls;
        HiDiffusionPlan? hiDiffusion = plan.HiDiffusion;
        MapSize seen = hiDiffusion?.ControlSize is { } size ? new MapSize(size.Height, size.Width) : map;
        double bytes = 0, multiplyAdds = 0;
        foreach (ControlInput control in controls)
        {
            UNetConfig config = control.Network.Config.Network;
            double held = UNetEstimate.SkipBytes(config, seen, elementBytes);
            if (bytes == 0 && controls.Count > 1) bytes = held;
            bytes += held;
            int calls = Enumerable.Range(0, plan.Calls).Count(call =>
                CallRange.Holds(call, plan.Calls, control.Start, control.End) && hiDiffusion?.Controls(call, plan.RunSteps) != false);
            multiplyAdds += calls * (control.ControlsPromptOnly ? texts.Positives : texts.All) * UNetCost.Control(config, seen, TextTokens);
        }
        return (bytes, multiplyAdds);
    }

    private long MemoryLimit() => _options.MemoryLimit ?? (Runtime.Device.type == DeviceType.CPU ? SystemMemory.Read().Total : long.MaxValue);

    // The fastest modes that fit, unless one was asked for: what is painted hangs on that of the networks alone, what is encoded and decoded on that of the autoencoder.
    private MemoryForecast Fitting(Func<MemoryMode, MemoryMode, MemoryForecast> forecast, StableDiffusionRequest request, long limit)
    {
        // Their networks, and its windows, are of whole maps only.
        bool whole = request.Controls.Count > 0 || request.HiDiffusion is { RauNet: true } or { WindowAttention: true };
        IReadOnlyList<MemoryMode> networks = MemoryModes.Of(_options.Memory, Runtime.Device.type, whole), codecs = MemoryModes.OfCodec(_options.Memory, Runtime.Device.type);
        bool AllFit(MemoryForecast told, bool codec) => told.Stages.Where(stage => stage.IsCodec == codec).All(stage => Fits(stage.Bytes, limit));
        MemoryMode network = networks.FirstOrDefault(mode => AllFit(forecast(mode, codecs[0]), codec: false), networks[^1]);
        MemoryForecast chosen = forecast(network, codecs.FirstOrDefault(mode => AllFit(forecast(network, mode), codec: true), codecs[^1]));
        if (Fits(chosen.Peak, limit)) return chosen;
        MemoryStage most = chosen.Stages.MaxBy(stage => stage.Bytes)!;
        double needed = most.Bytes * (1 + Margin);
        throw new MuralException(string.Create(
            CultureInfo.InvariantCulture,
            $"{needed / 1e9:0.0} GB of memory would be needed for {most.Name}, with {100 * Margin:0} % to spare, "
                + $"{(needed - limit) / 1e9:0.0} GB more than the {limit / 1e9:0.0} GB "
                + $"{(_options.MemoryLimit is null ? "of this machine" : "allowed")}; ask for a smaller picture or allow more."));
    }

    // How networks run where they shall take little memory, or null; the autoencoder is told how it shall.
    private StripOptions? Prepare(MemoryForecast forecast, string folder, CancellationToken cancellation)
    {
        StripOptions? In(MemoryMode mode) => mode == MemoryMode.Whole ? null : new StripOptions { Folder = mode == MemoryMode.Disk ? folder : null, Cancellation = cancellation };
        (_parts.Codec.LowMemory, _parts.Codec.Folder) = (In(forecast.AskedCodecMode), folder);
        return In(forecast.Mode);
    }
}
