using System.Globalization;
using Mural.Layers.Strips;
using Mural.Runtime;
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
        List<MemoryStage> stages = [Reading, Painting("painting", plan, mode, together, plan.Request.Count), Decoding("decoding", plan.Height, plan.Width, mode, plan.Request.Count)];
        if (plan.Request.InitialPicture is not null) stages.Insert(1, Encoding("encoding", plan.Height, plan.Width, mode));
        if (plan.Refiner is { } refiner) stages.Add(Painting("refining", refiner, mode, together, plan.Request.Count));
        return new MemoryForecast { Mode = mode, Stages = stages };
    }

    internal MemoryForecast Forecast(LargePicturePlan plan, MemoryMode mode)
    {
        List<MemoryStage> stages = [Reading];
        foreach ((int i, LargePictureStage stage) in plan.Stages.Index())
        {
            if (stage.Calls == 0) continue;
            string size = $"{stage.Width}x{stage.Height}";
            if (i > 0) stages.Add(Encoding($"encoding {size}", stage.Height, stage.Width, mode));
            stages.Add(Painting($"painting {size}", stage.Plan, mode, 1, plan.Method != UpscaleMethod.SdEdit && i > 0 ? 2 : 1));
            stages.Add(Decoding($"decoding {size}", stage.Height, stage.Width, mode, 1));
        }
        return new MemoryForecast { Mode = mode, Stages = stages };
    }

    private double Loaded => (_refiner ?? _parts).ResidentBytes;

    // Text encoders that are not kept are gone when painting begins.
    private double Painted => Loaded - (_options.KeepTextEncoders ? 0 : _parts.TextBytes + (_refiner?.TextBytes ?? 0));

    private MemoryStage Reading => new("reading", Loaded, 0, 0);

    private MemoryStage Painting(string name, StableDiffusionPlan plan, MemoryMode mode, int together, int times)
    {
        double height = plan.Height / Model.Multiple, width = plan.Width / Model.Multiple;
        bool guided = plan.ClassifierFreeScale > 1, batched = mode == MemoryMode.Whole && guided && BatchesGuidance(plan);
        LiveBytes call = new UNetEstimate(_parts.UNet.Config, Model.LinFusion is not null, mode).Run(
            height, width, mode == MemoryMode.Whole ? together * (batched ? 2 : 1) : 1, (int)Runtime.Type.ElementSize(), new StripOptions().StripBytes);
        double latents = SamplerLatents * sizeof(float) * _parts.Codec.LatentChannels * height * width * together;
        double calls = (double)plan.Calls * times * (guided && !batched ? 2 : 1) / (mode == MemoryMode.Whole ? together : 1);
        double disk = mode == MemoryMode.Disk ? new UNetEstimate(_parts.UNet.Config, true, MemoryMode.Disk).SkipBytes(height, width, (int)Runtime.Type.ElementSize()) : 0;
        return new MemoryStage(name, Painted + call.Peak + latents, call.MultiplyAdds * calls, disk);
    }

    private MemoryStage Decoding(string name, long height, long width, MemoryMode mode, int times)
    {
        LiveBytes decode = _parts.Codec.Estimate(height, width, mode).Decode;
        return new MemoryStage(name, Painted + decode.Peak, decode.MultiplyAdds * times, mode == MemoryMode.Disk ? _parts.Codec.Estimate(height, width, MemoryMode.Strips).Decode.Peak : 0);
    }

    private MemoryStage Encoding(string name, long height, long width, MemoryMode mode)
    {
        LiveBytes encode = _parts.Codec.Estimate(height, width, mode).Encode;
        return new MemoryStage(name, Painted + encode.Peak, encode.MultiplyAdds, mode == MemoryMode.Disk ? _parts.Codec.Estimate(height, width, MemoryMode.Strips).Encode.Peak : 0);
    }

    // The fastest mode that fits, unless one was asked for.
    private MemoryForecast Fitting(Func<MemoryMode, MemoryForecast> forecast, StableDiffusionRequest request)
    {
        long limit = _options.MemoryLimit ?? (Runtime.Device.type == DeviceType.CPU ? SystemMemory.Read().Total : long.MaxValue);
        // Their networks, and its windows, are of whole maps only.
        bool whole = request.Controls.Count > 0 || request.HiDiffusion is not null;
        MemoryMode[] modes = _options.Memory is { } asked ? [asked] : whole ? [MemoryMode.Whole] : Enum.GetValues<MemoryMode>();
        if (whole && _options.Memory is not (null or MemoryMode.Whole))
            throw new MuralException("ControlNets and HiDiffusion run on whole maps only; leave out the mode of memory, or them.");
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
