using Mural.Checkpoints;
using static TorchSharp.torch;

namespace Mural.DiM;

public sealed partial class DiMModel
{
    /// <summary>
    /// Loads a checkpoint under the released names (spec dim.md 3), from safetensors or <c>nnet_ema.pth</c>. All names and shapes must fit, with one exception: a position
    /// table of another grid is resized, which is how a model moves to another resolution (5.1).
    /// </summary>
    /// <param name="source">The open checkpoint.</param>
    /// <param name="config">
    /// The model wanted, or null for what the tensors' shapes say, with the <see cref="PadLayout.Lateral"/> layout and labels that are classes. The form of the skip linears
    /// always follows the checkpoint.
    /// </param>
    /// <param name="device">Where the parameters live, or null for the CPU.</param>
    /// <returns>The model with float32 parameters.</returns>
    /// <exception cref="MuralException">The checkpoint does not fit; everything that differs is named.</exception>
    public static DiMModel Load(ITensorSource source, DiMConfig? config = null, Device? device = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        config ??= DiMConfig.FromCheckpoint(source);
        if (DiMCheckpoint.SkipFormOf(source) is { } form) config = config with { SkipForm = form };
        var model = new DiMModel(config, device);
        try
        {
            ModuleWeights.Load(model, source, adapt: (name, stored, wanted) => DiMCheckpoint.ResizePositions(name, stored, wanted, config.TrainedGrid));
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Saves the parameters under the released names as safetensors; the file appears whole or not at all.</summary>
    /// <param name="path">The file.</param>
    /// <param name="type">The type to write, or null for the parameters' own.</param>
    /// <param name="metadata">Free text entries for the file's header.</param>
    /// <exception cref="MuralException">The file cannot be written, values do not fit the type, or the model was made ready for inference.</exception>
    public void Save(string path, ScalarType? type = null, IReadOnlyDictionary<string, string>? metadata = null)
    {
        _inference.RequireWeights("saved");
        ModuleWeights.Save(this, path, metadata, type);
    }
}
