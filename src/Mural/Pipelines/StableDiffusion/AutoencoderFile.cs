using System.Text.RegularExpressions;
using Mural.Autoencoders;
using Mural.Checkpoints;
using Mural.Checkpoints.SingleFile;
using Mural.Checkpoints.StableDiffusion;
using Mural.Layers;
using Mural.Runtime;

namespace Mural.Pipelines;

/// <summary>An autoencoder alone in a file, of Stable Diffusion's kind or TAESD's, under any of the names that programs give its tensors.</summary>
internal static partial class AutoencoderFile
{
    /// <summary>Opens one.</summary>
    /// <param name="path">The file.</param>
    /// <param name="family">The family of models that it is for, which the file does not tell.</param>
    /// <param name="runtime">On what it runs; the weights go straight into its type.</param>
    /// <exception cref="MuralException">The file holds no autoencoder, or a part of one.</exception>
    internal static (AutoencoderKL? Full, AutoencoderTiny? Tiny) Open(string path, ModelFamily family, RuntimePlan runtime)
    {
        using ITensorSource source = Checkpoint.Open(path);
        if (source.Tensors.Keys.Any(name => HalfLayer().IsMatch(name))) return (null, OpenHalves(path, runtime));
        if (!source.Tensors.Keys.Any(name => TinyLayer().IsMatch(name))) return (OpenFull(source, family, runtime), null);
        AutoencoderTiny tiny = NewTiny(runtime);
        return (null, ModelFolder.Loaded(tiny, () => tiny.Load(source)));
    }

    // As TAESD is published: encoder and decoder in files of their own, of which either is named.
    private static AutoencoderTiny OpenHalves(string path, RuntimePlan runtime)
    {
        const string Encoder = "encoder", Decoder = "decoder";
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!, name = Path.GetFileName(path);
        if (!name.Contains(Encoder, StringComparison.Ordinal) && !name.Contains(Decoder, StringComparison.Ordinal))
            throw new MuralException($"{path} holds one half of a TAESD, and its name does not say which; name the files as they are published, taesd_encoder and taesd_decoder.");
        string encoder = Path.Combine(folder, name.Replace(Decoder, Encoder, StringComparison.Ordinal)),
            decoder = Path.Combine(folder, name.Replace(Encoder, Decoder, StringComparison.Ordinal));
        foreach (string half in new[] { encoder, decoder })
            if (!File.Exists(half)) throw new MuralException($"{path} holds one half of a TAESD, and the other, {half}, is not there; put it beside.");
        using ITensorSource first = Checkpoint.Open(encoder), second = Checkpoint.Open(decoder);
        AutoencoderTiny tiny = NewTiny(runtime);
        return ModelFolder.Loaded(tiny, () => tiny.Load(first, second));
    }

    private static AutoencoderTiny NewTiny(RuntimePlan runtime) => new(new AutoencoderTinyConfig(), new LayerFactory(runtime.Type, Initialize: false, runtime.Device));

    private static AutoencoderKL OpenFull(ITensorSource source, ModelFamily family, RuntimePlan runtime)
    {
        int levels = source.Tensors.Keys.Select(name => DecoderLevel().Match(name)).Where(match => match.Success).Select(match => match.Groups["level"].Value).Distinct().Count();
        if (levels == 0) throw new MuralException($"{source.Path} holds no autoencoder; give one of Stable Diffusion's kind or a TAESD.");
        Func<string, string?> rename = AutoencoderKeys.Renaming(source.Tensors.Keys, levels);
        var tensors = new List<(string, string, TensorTransform)>();
        foreach (TensorEntry entry in source.Tensors.Values)
            if (rename(entry.Name) is { } name) tensors.Add((name, entry.Name, SingleFileLayout.Squeezed(name, entry.Shape)));
        using var renamed = new ComponentSource(source, SingleFileLayout.Autoencoder, tensors);
        AutoencoderConfig config = ShapeConfigs.Autoencoder(renamed, family, FamilySettings.SampleSize(family, velocity: false) << (levels - 1));
        var autoencoder = new AutoencoderKL(config, new LayerFactory(runtime.TypeFor(config), Initialize: false, runtime.Device));
        return ModelFolder.Loaded(autoencoder, () => autoencoder.Load(renamed));
    }

    [GeneratedRegex(@"^(taesd_)?(encoder|decoder)\.(layers\.)?\d+\.")]
    private static partial Regex TinyLayer();

    [GeneratedRegex(@"^\d+\.")]
    private static partial Regex HalfLayer();

    [GeneratedRegex(@"decoder\.up(_blocks)?\.(?<level>\d+)\.")]
    private static partial Regex DecoderLevel();
}
