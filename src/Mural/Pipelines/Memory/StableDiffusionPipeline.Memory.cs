using System.Globalization;
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

    /// <summary>What <see cref="GenerateAsync"/> will need.</summary>
    /// <exception cref="MuralException">The run does not fit into the memory in any mode.</exception>
    public MemoryForecast Forecast(StableDiffusionPlan plan) => Fitting(mode => Forecast(plan, mode), plan.Request);

    /// <summary>What <see cref="GenerateLargeAsync"/> will need.</summary>
    /// <exception cref="MuralException">The run does not fit into the memory in any mode.</exception>
    public MemoryForecast Forecast(LargePicturePlan plan) => Fitting(mode => Forecast(plan, mode), plan.Request.Picture);

    /// <summary>What a run would need in a mode.</summary>
    internal MemoryForecast Forecast(StableDiffusionPlan plan, MemoryMode mode)
    {
        int together = Math.Min(_options.BatchSize, plan.Request.Count);
        return new MemoryForecast { Mode = mode, Stages = [Reading, .. PartsOf(plan, "", mode, together, plan.Request.InitialPicture is not null)] };
    }

    /// <summary>What a large picture would need in a mode.</summary>
    internal MemoryForecast Forecast(LargePicturePlan plan, MemoryMode mode)
    {
        List<MemoryStage> stages = [Reading];
        foreach ((int i, LargePictureStage stage) in plan.Stages.Index())
        {
            if (stage.Calls == 0) continue;
            int callsPerStep = plan.Method != UpscaleMethod.SdEdit && i > 0 ? 2 : 1;
            stages.AddRange(PartsOf(stage.Plan, $" {stage.Width}x{stage.Height}", mode, 1, i > 0 || stage.Plan.Request.InitialPicture is not null, callsPerStep));
        }
        return new MemoryForecast { Mode = mode, Stages = stages };
    }

    private double Loaded => (_refiner ?? _parts).ResidentBytes;

    // Text encoders that are not kept are gone when painting begins.
    private double Painted => Loaded - (_options.KeepTextEncoders ? 0 : _parts.TextBytes + (_refiner?.TextBytes ?? 0));

    private MemoryStage Reading => new("reading", Loaded, 0, 0);

    private IEnumerable<MemoryStage> PartsOf(StableDiffusionPlan plan, string size, MemoryMode mode, int together, bool encodes, int callsPerStep = 1)
    {
        int count = plan.Request.Count;
        CodecEstimate codec = _parts.Codec.Estimate(plan.Height, plan.Width, mode);
        if (encodes) yield return new MemoryStage("encoding" + size, Painted + codec.Encode.Peak, codec.Encode.MultiplyAdds, codec.EncodeDiskBytes);
        yield return Painting("painting" + size, _parts.UNet, plan, mode, together, count * callsPerStep);
        if (plan.Refiner is { } second) yield return Painting("refining" + size, _refiner!.UNet, second, mode, together, count);
        yield return new MemoryStage("decoding" + size, Painted + codec.Decode.Peak, codec.Decode.MultiplyAdds * count, codec.DecodeDiskBytes);
    }

    private MemoryStage Painting(string name, UNet2DConditionModel network, StableDiffusionPlan plan, MemoryMode mode, int together, int times)
    {
        double height = plan.Height / Model.Multiple, width = plan.Width / Model.Multiple;
        int bytes = (int)Runtime.Type.ElementSize();
        bool guided = plan.ClassifierFreeScale > 1, batched = mode == MemoryMode.Whole && guided && BatchesGuidance(plan);
        UNetEstimate Estimate() => new(network.Config, TokenMixing.Of(network), mode);
        LiveBytes call = Estimate().Run(height, width, mode == MemoryMode.Whole ? together * (batched ? 2 : 1) : 1, bytes, new StripOptions().StripBytes);
        double latents = SamplerLatents * sizeof(float) * _parts.Codec.LatentChannels * height * width * together;
        double calls = (double)plan.Calls * times * (guided && !batched ? 2 : 1) / (mode == MemoryMode.Whole ? together : 1);
        double disk = mode == MemoryMode.Disk ? Estimate().SkipBytes(height, width, bytes) : 0;
        return new MemoryStage(name, Painted + call.Peak + latents, call.MultiplyAdds * calls, disk);
    }

    // The fastest mode that fits, unless one was asked for.
    private MemoryForecast Fitting(Func<MemoryMode, MemoryForecast> forecast, StableDiffusionRequest request)
    {
        long limit = _options.MemoryLimit ?? (Runtime.Device.type == DeviceType.CPU ? SystemMemory.Read().Total : long.MaxValue);
        // Their networks, and its windows, are of whole maps only.
        bool whole = request.Controls.Count > 0 || request.HiDiffusion is not null;
        IReadOnlyList<MemoryMode> modes = MemoryModes.Of(_options.Memory, Runtime.Device.type, whole);
        MemoryForecast last = forecast(modes[0]);
        foreach (MemoryMode mode in modes.Skip(1))
        {
            if (last.Peak <= limit) break;
            last = forecast(mode);
        }
        if (last.Peak <= limit) return last;
        MemoryStage most = last.Stages.MaxBy(stage => stage.Bytes)!;
        throw new MuralException(string.Create(
            CultureInfo.InvariantCulture,
            $"{most.Bytes / 1e9:0.0} GB of memory would be needed for {most.Name}, {(most.Bytes - limit) / 1e9:0.0} GB more than the {limit / 1e9:0.0} GB {(_options.MemoryLimit is null ? "of this machine" : "allowed")}; ask for a smaller picture or allow more."));
    }

    private static StripOptions? StripsOf(MemoryForecast forecast, string folder, CancellationToken cancellation)
    {
        if (forecast.Mode == MemoryMode.Whole) return null;
        if (forecast.Mode == MemoryMode.Disk) Directory.CreateDirectory(folder);
        return new StripOptions { Folder = forecast.Mode == MemoryMode.Disk ? folder : null, Cancellation = cancellation };
    }
}
