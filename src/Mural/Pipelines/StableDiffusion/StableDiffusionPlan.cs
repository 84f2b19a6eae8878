using Mural.HiDiffusion;
using Mural.Samplers;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>A <see cref="StableDiffusionRequest"/> with everything settled: what will be painted, and what a person should know beforehand.</summary>
public sealed record StableDiffusionPlan
{
    /// <summary>The request.</summary>
    public required StableDiffusionRequest Request { get; init; }

    /// <summary>The model.</summary>
    public required StableDiffusionModelInfo Model { get; init; }

    /// <summary>Width in pixels.</summary>
    public required int Width { get; init; }

    /// <summary>Height in pixels.</summary>
    public required int Height { get; init; }

    /// <summary>Sampling steps of the whole schedule.</summary>
    public required int Steps { get; init; }

    /// <summary>The sampler with its timesteps.</summary>
    public required Sampler Sampler { get; init; }

    /// <summary>Guidance scale.</summary>
    public required double Guidance { get; init; }

    /// <summary>The scale of guidance by a second prediction; 1 for models that are told the scale instead.</summary>
    internal double ClassifierFreeScale { get; init; }

    /// <summary>Share of the steps that is run on a given picture, and null without one.</summary>
    public double? Strength { get; init; }

    /// <summary>The device that latents live on.</summary>
    internal Device Device { get; init; } = CPU;

    /// <summary>The first of the sampler's calls that is made: other than 0 where a picture is changed.</summary>
    public int FirstCall { get; init; }

    /// <summary>The call that is not made any more: the sampler's count of them, unless a refiner takes over.</summary>
    public int EndCall { get; init; }

    /// <summary>What the refiner does after <see cref="EndCall"/>, or null without one.</summary>
    public StableDiffusionPlan? Refiner { get; init; }

    /// <summary>Network calls that will be made for each batch, without the refiner's.</summary>
    public int Calls => EndCall - FirstCall;

    /// <summary>Steps that these calls are, as diffusers counts: its count for a run that a refiner takes over is that of the calls.</summary>
    internal int RunSteps => EndCall < Sampler.Timesteps.Count ? Calls : Sampler.Steps - FirstCall / Sampler.CallsPerStep;

    /// <summary>Network calls that the base model made before, where this is what its refiner does.</summary>
    internal int EarlierCalls { get; init; }

    /// <summary>Network calls of the whole run for each batch: the base model's and its refiner's.</summary>
    internal int RunCalls => EarlierCalls + Calls + (Refiner?.Calls ?? 0);

    /// <summary>Where HiDiffusion acts in the model, or null where it is not asked for.</summary>
    internal HiDiffusionArchitecture? Architecture { get; init; }

    /// <summary>What HiDiffusion does during these calls, or null for nothing. An enlargement paints on a picture, as one that is given.</summary>
    internal HiDiffusionPlan? HiDiffusion => Architecture is null || Request.HiDiffusion is not { } options ? null : HiDiffusionPlan.For(
        Architecture, Height / Model.Multiple, Width / Model.Multiple, Calls, options, controlled: Request.Controls.Count > 0 && Strength is null);

    /// <summary>A sentence where HiDiffusion is to resample and does not, or null.</summary>
    internal string? IdleHiDiffusion => HiDiffusion?.Remedy is not { } remedy ? null
        : $"HiDiffusion resamples nothing at {Width}x{Height} pixels in {Calls} network calls of {Model.Name}, trained on {Model.Side}x{Model.Side}; {remedy} would let it.";

    /// <summary>Sentences about options of HiDiffusion that count for nothing.</summary>
    internal IReadOnlyList<string> UnusedHiDiffusion => HiDiffusion is { } hiDiffusion ? [.. HiDiffusionNotes.Unused(hiDiffusion)] : [];

    /// <summary>Sentences about what may not turn out as hoped.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    /// <summary>Shape of a batch of latents.</summary>
    internal long[] LatentShape(PictureCodec codec, int batch) => [batch, codec.LatentChannels, Height / codec.Downscale, Width / codec.Downscale];
}
