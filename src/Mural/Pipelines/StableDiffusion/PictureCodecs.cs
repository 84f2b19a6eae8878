using System.Text.Json;
using System.Text.Json.Nodes;
using Mural.Autoencoders;
using Mural.Checkpoints;
using Mural.Checkpoints.SingleFile;
using Mural.Runtime;

namespace Mural.Pipelines;

/// <summary>The kinds of codecs: that of Stable Diffusion's autoencoder, and TAESD's.</summary>
internal static class PictureCodecs
{
    /// <summary>Opens an autoencoder as a codec of its kind.</summary>
    /// <param name="path">A folder as diffusers keeps it, or a file.</param>
    /// <param name="family">The family of models that it is for.</param>
    /// <param name="runtime">On what it runs.</param>
    /// <param name="options">The variant of its weights, and the bytes that decoding may take before it is done in strips.</param>
    /// <exception cref="MuralException">There is no autoencoder, or its weights do not fit.</exception>
    internal static PictureCodec Load(string path, ModelFamily family, RuntimePlan runtime, StableDiffusionOptions options)
    {
        (AutoencoderKL? full, AutoencoderTiny? tiny) = File.Exists(path) ? AutoencoderFile.Open(path, family, runtime)
            : IsTiny(Path.Combine(path, ModelFolder.ConfigName)) ? (null, AutoencoderTiny.FromFolder(path, runtime.Type, options.Variant, runtime.Device))
            : (AutoencoderKL.FromFolder(path, runtime.TypeFor(AutoencoderConfig.Read(path)), options.Variant, runtime.Device), null);
        return tiny is not null ? new TinyCodec(tiny, runtime, options.DecodeMemory) : new FullCodec(full!, runtime, options.DecodeMemory);
    }

    // Whatever else is wrong with the file is said by whoever reads it.
    private static bool IsTiny(string config)
    {
        if (!File.Exists(config)) return false;
        try
        {
            return JsonNode.Parse(File.ReadAllText(config))?["_class_name"]?.ToString() == nameof(AutoencoderTiny);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
