using System.Security.Cryptography;
using Mural.Pipelines;
using Mural.Training;

namespace Mural.Report;

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

    /// <summary>Hashes of what decides how a model paints: its weights, the defaults beside them and its sampler's settings, but not the judge that lies there too.</summary>
    internal static IEnumerable<string> Weights(string folder) => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
        .Where(file => Path.GetExtension(file) == ".safetensors" || Path.GetFileName(file) is "model_index.json" or "scheduler_config.json")
        .Where(file => Path.GetFileName(Path.GetDirectoryName(file)) != "judge")
        .Order(StringComparer.Ordinal).Select(file => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file))));
}
