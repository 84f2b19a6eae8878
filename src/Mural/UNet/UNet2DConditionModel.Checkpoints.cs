using Mural.Checkpoints;
using Mural.Layers;
using static TorchSharp.torch;

namespace Mural.UNet;

public sealed partial class UNet2DConditionModel
{
    /// <summary>
    /// Opens a folder as diffusers keeps a UNet in: <c>config.json</c> and <c>diffusion_pytorch_model.safetensors</c>, which may be in shards, of a variant such as fp16, or
    /// a <c>.bin</c> file.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="type">Type to hold the weights in: the one that <see cref="PrepareForInference"/> will get, or float32 to train.</param>
    /// <param name="variant">The variant wanted where there are several, or null for the plain one.</param>
    /// <param name="device">Where the parameters live, or null for the CPU.</param>
    /// <exception cref="MuralException">A file is missing or malformed, or the weights do not fit the config.</exception>
    public static UNet2DConditionModel FromFolder(string folder, ScalarType type = ScalarType.Float32, string? variant = null, Device? device = null)
    {
        var network = new UNet2DConditionModel(UNetConfig.Read(folder), new LayerFactory(type, Initialize: false, device));
        return ModelFolder.Loaded(network, folder, network.Load, variant);
    }

    /// <summary>Replaces the weights by a checkpoint's, which may have diffusers' names of any age (spec 2.8).</summary>
    /// <param name="source">A checkpoint of a UNet alone.</param>
    /// <exception cref="CheckpointMismatchException">The checkpoint does not fit; nothing was changed.</exception>
    /// <exception cref="MuralException">The network was made ready for inference.</exception>
    public void Load(ITensorSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        _inference.RequireWeights("loaded into");
        ModuleWeights.Load(this, source, UNetKeys.Current, ModelFolder.SqueezeConvolution);
    }

    /// <summary>Writes the folder that <see cref="FromFolder"/> and diffusers read.</summary>
    /// <param name="folder">The folder, created when missing.</param>
    /// <param name="type">The type to write the weights in, or null for their own.</param>
    /// <exception cref="MuralException">A file cannot be written, or the network was made ready for inference.</exception>
    public void Save(string folder, ScalarType? type = null)
    {
        _inference.RequireWeights("saved");
        ModelFolder.Save(this, Config.ToJson(), folder, type);
    }
}
