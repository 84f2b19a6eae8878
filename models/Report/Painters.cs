using System.Security.Cryptography;
using Mural.HiDiffusion;
using Mural.Imaging;
using Mural.Pipelines;
using Mural.Training;
using Mural.Training.Data;

namespace Mural.Report;

/// <summary>How a picture is painted.</summary>
/// <param name="Factor">How many times the trained side it has.</param>
/// <param name="HiDiffusion">Parts of HiDiffusion, or null for none.</param>
/// <param name="Steps">Sampling steps, or null for the model's.</param>
internal sealed record PaintSettings(int Factor = 1, HiDiffusionOptions? HiDiffusion = null, int? Steps = null)
{
    internal const string Plain = "none";

    private static readonly Dictionary<string, HiDiffusionOptions?> ByName = new()
    {
        [Plain] = null,
        ["raunet"] = new HiDiffusionOptions { WindowAttention = false },
        ["windows"] = new HiDiffusionOptions { RauNet = false },
        ["both"] = new HiDiffusionOptions(),
    };

    internal static IEnumerable<string> HiDiffusionNames => ByName.Keys;

    internal static PaintSettings Of(int factor, string hiDiffusion, int? steps = null) => new(factor, ByName[hiDiffusion], steps);
}

/// <summary>A model that paints captions.</summary>
internal interface IPainter : IAsyncDisposable
{
    /// <summary>Names the model's weights.</summary>
    string Identity { get; }

    /// <summary>Whether <see cref="PaintSettings.HiDiffusion"/> means anything to it.</summary>
    bool TakesHiDiffusion { get; }

    Task<Picture> PaintAsync(string caption, long seed, PaintSettings settings);
}

/// <summary>Opens models.</summary>
internal static class Painters
{
    /// <exception cref="MuralException">It is no model, or the checkpoint does not belong to it.</exception>
    internal static async Task<IPainter> OpenAsync(string model, string? linFusion)
    {
        if (!Directory.Exists(Path.Combine(model, "dim")))
        {
            var pipeline = await StableDiffusionPipeline.LoadAsync(model, new StableDiffusionOptions { LinFusion = linFusion, KeepTextEncoders = true });
            return new UNetPainter(pipeline, ContentHash.Of(Weights(model).Concat(linFusion is null ? [] : Weights(linFusion))));
        }
        if (linFusion is not null) throw new MuralException("LinFusion is for Stable Diffusion, not for a DiM; leave --linfusion out.");
        return new DiMPainter(await DiMPipeline.LoadAsync(model), ContentHash.Of(Weights(model)));
    }

    // What decides how a model paints: its weights, the defaults beside them and its sampler's settings, but not the judge that lies there too.
    private static IEnumerable<string> Weights(string folder) => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
        .Where(file => Path.GetExtension(file) == ".safetensors" || Path.GetFileName(file) is "model_index.json" or "scheduler_config.json")
        .Where(file => Path.GetFileName(Path.GetDirectoryName(file)) != "judge")
        .Order(StringComparer.Ordinal).Select(file => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file))));
}

/// <summary>A DiM, which paints larger pictures by training-free upsampling.</summary>
internal sealed class DiMPainter(DiMPipeline pipeline, string identity) : IPainter
{
    public string Identity => identity;

    public bool TakesHiDiffusion => false;

    public async Task<Picture> PaintAsync(string caption, long seed, PaintSettings settings)
    {
        if (settings.HiDiffusion is not null) throw new MuralException("HiDiffusion is for Stable Diffusion, not for a DiM; leave --hidiffusion out.");
        return (await pipeline.GenerateAsync(new DiMRequest { Prompt = caption, Seed = (ulong)seed, Upscale = settings.Factor, Steps = settings.Steps }))[0].Picture;
    }

    public ValueTask DisposeAsync() => pipeline.DisposeAsync();
}

/// <summary>A text-to-image UNet, which paints larger pictures from larger noise.</summary>
internal sealed class UNetPainter(StableDiffusionPipeline pipeline, string identity) : IPainter
{
    public string Identity => identity;

    public bool TakesHiDiffusion => true;

    public async Task<Picture> PaintAsync(string caption, long seed, PaintSettings settings)
    {
        int side = pipeline.Model.Side * settings.Factor;
        var request = new StableDiffusionRequest { Prompt = caption, Seed = seed, Width = side, Height = side, HiDiffusion = settings.HiDiffusion, Steps = settings.Steps };
        return (await pipeline.GenerateAsync(request))[0].Picture;
    }

    public ValueTask DisposeAsync() => pipeline.DisposeAsync();
}

/// <summary>Shows real pictures in the place of samples.</summary>
/// <param name="pictures">The pictures, in the order of their seeds.</param>
internal sealed class RealPictures(IReadOnlyList<PictureItem> pictures) : IPainter
{
    public string Identity => ContentHash.Of(pictures.Select(picture => picture.File));

    public bool TakesHiDiffusion => false;

    public Task<Picture> PaintAsync(string caption, long seed, PaintSettings settings) => Task.FromResult(PictureReader.Read(pictures[(int)seed].File));

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
