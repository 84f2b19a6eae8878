using Mural.Autoencoders;
using Mural.Checkpoints;
using Mural.DiM;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>What a model folder holds, loaded and ready for inference.</summary>
internal sealed record DiMParts(DiMModelIndex Index, DiMModel Model, AutoencoderKL? Autoencoder, Vocabulary? Vocabulary, RuntimePlan Runtime) : IDisposable
{
    /// <summary>Pixels of the picture for each value of what the model denoises, along one side.</summary>
    internal int PixelsPerValue => Autoencoder?.Config.Downscale ?? 1;

    /// <exception cref="MuralException">A part is missing, malformed or does not fit the others.</exception>
    internal static DiMParts Load(string folder, RuntimePlan runtime)
    {
        DiMModelIndex index = DiMModelIndex.Load(folder);
        DiMConfig config = DiMConfig.Load(Path.Combine(folder, index.Denoiser, ModelFolder.ConfigName));
        Vocabulary? vocabulary = index.Vocabulary is null ? null : Vocabulary.Load(Path.Combine(folder, index.Vocabulary));
        CheckWords(index, config, vocabulary);
        AutoencoderKL? autoencoder = index.Autoencoder is null ? null : LoadAutoencoder(Path.Combine(folder, index.Autoencoder), config, runtime);
        try
        {
            return new DiMParts(index, LoadModel(Path.Combine(folder, index.Denoiser), config, runtime), autoencoder, vocabulary, runtime);
        }
        catch
        {
            autoencoder?.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Model.Dispose();
        Autoencoder?.Dispose();
    }

    private static void CheckWords(DiMModelIndex index, DiMConfig config, Vocabulary? vocabulary)
    {
        if (vocabulary is null)
        {
            if (config.Conditioning == Conditioning.Words)
                throw new MuralException($"{index.Name} is conditioned on words, but its index names no vocabulary; add the file that it was trained with.");
            return;
        }
        if (vocabulary.Count != config.Classes)
            throw new MuralException($"The vocabulary of {index.Name} has {vocabulary.Count} words, but its denoiser has {config.Classes}; use the file that it was trained with.");
        if (index.DefaultWords.FirstOrDefault(word => vocabulary.IndexOf(word) < 0) is { } unknown)
            throw new MuralException($"The index of {index.Name} has the default word \"{unknown}\", which its vocabulary lacks; correct default_words.");
    }

    private static DiMModel LoadModel(string folder, DiMConfig config, RuntimePlan runtime)
    {
        using ITensorSource weights = SafetensorsFile.Open(Path.Combine(folder, DiMCheckpoint.WeightsName));
        DiMModel model = DiMModel.Load(weights, config, runtime.Device);
        model.PrepareForInference(runtime.Kernels, runtime.Type);
        return model;
    }

    private static AutoencoderKL LoadAutoencoder(string folder, DiMConfig config, RuntimePlan runtime)
    {
        ScalarType type = runtime.TypeFor(AutoencoderConfig.Read(folder));
        AutoencoderKL autoencoder = AutoencoderKL.FromFolder(folder, type, device: runtime.Device);
        if (autoencoder.Config.LatentChannels != config.InChannels)
        {
            autoencoder.Dispose();
            throw new MuralException(
                $"The autoencoder's latents have {autoencoder.Config.LatentChannels} channels, but the denoiser takes {config.InChannels}; use the two that belong together.");
        }
        autoencoder.PrepareForInference(runtime.Kernels, type);
        return autoencoder;
    }
}
