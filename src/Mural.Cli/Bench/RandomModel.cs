using Mural.Autoencoders;
using Mural.Checkpoints;
using Mural.Checkpoints.SingleFile;
using Mural.Checkpoints.StableDiffusion;
using Mural.Layers;
using Mural.Text;
using Mural.UNet;
using static TorchSharp.torch;

namespace Mural.Cli.Bench;

/// <summary>
/// A whole Stable Diffusion of random float16 weights in a folder of diffusers' layout: all that loading and painting need of a published model but sense. It lies in a
/// temporary folder while it is used, or stays in the one that <see cref="Variable"/> names.
/// </summary>
/// <param name="name">The folder's name.</param>
/// <param name="family">The family.</param>
/// <param name="unet">Architecture of the UNet.</param>
/// <param name="autoencoder">Architecture of the autoencoder.</param>
/// <param name="texts">Architecture of each text encoder.</param>
internal sealed class RandomModel(string name, ModelFamily family, UNetConfig unet, AutoencoderConfig autoencoder, params IReadOnlyList<ClipTextConfig> texts) : IDisposable
{
    /// <summary>Environment variable with the folder where such models are kept.</summary>
    internal const string Variable = "MURAL_BENCH_MODELS";

    private string? _temporary;

    /// <summary>Stable Diffusion 1.5: 2.1 GB.</summary>
    internal static RandomModel StableDiffusion1 => new("random-sd15", ModelFamily.StableDiffusion1, new UNetConfig(), new AutoencoderConfig(), ClipTextConfig.VitL);

    /// <summary>Stable Diffusion XL: 6.9 GB.</summary>
    internal static RandomModel StableDiffusionXL => new(
        "random-sdxl", ModelFamily.StableDiffusionXL, UNetConfig.StableDiffusionXL,
        new AutoencoderConfig { SampleSize = 1024, ScalingFactor = 0.13025 }, ClipTextConfig.VitL, ClipTextConfig.BigG);

    /// <summary>Where it lies once it was written.</summary>
    internal string Folder { get; private set; } = "";

    /// <summary>Writes it, unless it is there already.</summary>
    /// <exception cref="MuralException">It cannot be written.</exception>
    internal void Write()
    {
        string? kept = Environment.GetEnvironmentVariable(Variable);
        if (string.IsNullOrEmpty(kept)) kept = _temporary ??= Directory.CreateTempSubdirectory("mural-bench-").FullName;
        Folder = Path.Combine(kept, name);
        if (!FolderLayout.Is(Folder)) StagedFolder.Write(Folder, WriteTo);
    }

    public void Dispose()
    {
        if (_temporary is not null) Directory.Delete(_temporary, recursive: true);
        _temporary = null;
    }

    private void WriteTo(string folder)
    {
        string At(string part) => Path.Combine(folder, part);
        using (var network = new UNet2DConditionModel(unet, ScalarType.Float16)) network.Save(At(SingleFileLayout.UNet), ScalarType.Float16);
        using (var network = new AutoencoderKL(autoencoder, ScalarType.Float16)) network.Save(At(SingleFileLayout.Autoencoder), ScalarType.Float16);
        var components = new List<string> { SingleFileLayout.UNet, SingleFileLayout.Autoencoder };
        foreach ((string component, ClipTextConfig config) in new[] { SingleFileLayout.TextEncoder, SingleFileLayout.SecondTextEncoder }.Zip(texts))
        {
            using var encoder = new ClipTextEncoder(config, new LayerFactory(ScalarType.Float16, Initialize: true));
            encoder.Save(At(component), ScalarType.Float16);
            // Single bytes are words enough.
            ClipTokenizerFolder.Write(ClipVocabulary.FromMerges([]), ClipVocabulary.EndToken, StableDiffusionCheckpoint.TokenizerFolder(folder, component));
            components.Add(component);
        }
        var scheduler = FamilySettings.Scheduler(family, velocity: false, zeroTerminalSnr: false);
        AtomicFile.WriteText(At(Path.Combine(FolderLayout.SchedulerFolder, FolderLayout.SchedulerName)), scheduler.ToJsonString());
        AtomicFile.WriteText(At(ModelFolder.IndexName), FamilySettings.Index(family, unet.InChannels, components, scheduler["_class_name"]!.GetValue<string>()).ToJsonString());
    }
}
