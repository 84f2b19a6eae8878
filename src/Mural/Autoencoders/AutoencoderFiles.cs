using System.Text;
using Mural.Checkpoints;
using static TorchSharp.torch;

namespace Mural.Autoencoders;

/// <summary>A folder as diffusers keeps an autoencoder in: <c>config.json</c> beside <c>diffusion_pytorch_model.safetensors</c>.</summary>
internal static class AutoencoderFiles
{
    internal const string ConfigName = "config.json", WeightsName = "diffusion_pytorch_model.safetensors";

    internal static SafetensorsFile OpenWeights(string folder)
    {
        string path = Path.Combine(folder, WeightsName);
        return File.Exists(path) ? SafetensorsFile.Open(path) : throw new MuralException($"There is no file {path}; give the folder of an autoencoder that holds {WeightsName}.");
    }

    /// <summary>Fills a new module with the folder's weights and returns it; it is disposed of where they do not fit.</summary>
    internal static T Loaded<T>(T module, string folder, Action<ITensorSource> load) where T : nn.Module
    {
        try
        {
            using SafetensorsFile weights = OpenWeights(folder);
            load(weights);
            return module;
        }
        catch
        {
            module.Dispose();
            throw;
        }
    }

    internal static void Save(nn.Module module, string json, string folder, ScalarType? type)
    {
        ModuleWeights.Save(module, Path.Combine(folder, WeightsName), type: type);
        byte[] bytes = Encoding.UTF8.GetBytes(json);
        AtomicFile.Write(Path.Combine(folder, ConfigName), bytes.Length, stream => stream.Write(bytes));
    }

    /// <summary>Linear weights that were saved as 1x1 convolutions: [C, C, 1, 1] for [C, C].</summary>
    internal static Func<Tensor, Tensor>? SqueezeConvolution(string name, long[] stored, long[] wanted)
    {
        bool fits = wanted.Length == 2 && stored.AsSpan().SequenceEqual([.. wanted, 1, 1]);
        return fits ? tensor => tensor.reshape(wanted) : null;
    }
}
