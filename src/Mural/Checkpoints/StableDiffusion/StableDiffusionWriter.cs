using System.Text.Json.Nodes;
using Mural.Checkpoints.SingleFile;
using Mural.Layers.Clip;
using Mural.Text;
using static TorchSharp.torch;

namespace Mural.Checkpoints.StableDiffusion;

/// <summary>Writes a Stable Diffusion in either layout, tensor by tensor, with no second copy of the model in memory. Files and folders appear whole or not at all.</summary>
internal static class StableDiffusionWriter
{
    /// <summary>Writes one file of the original layout, which A1111, ComfyUI and diffusers read.</summary>
    /// <param name="model">The model.</param>
    /// <param name="path">The file: safetensors, or one of torch.save where it ends with .ckpt, .pth or .pt, which cannot hold the configs.</param>
    /// <param name="type">The type floating-point tensors are written in, or null for their own.</param>
    /// <param name="maxShardBytes">The most bytes of tensors in a file of safetensors, which there are then several of, with an index; null for one file.</param>
    /// <param name="cancellation">Stops between two pieces.</param>
    /// <returns>The file to open: the index, or the single file.</returns>
    /// <exception cref="MuralException">The file cannot be written, or the original layout has no place for a tensor.</exception>
    internal static string SaveFile(StableDiffusionCheckpoint model, string path, ScalarType? type = null, long? maxShardBytes = null, CancellationToken cancellation = default)
    {
        using var original = new OriginalSource(
            model.Path, model.Family, model.Components.ToDictionary(pair => pair.Key, pair => pair.Value.Weights), SingleFileModel.MarksOf(model));
        if (Path.GetExtension(path).ToLowerInvariant() is ".ckpt" or ".pth" or ".pt")
        {
            TorchWriter.Save(path, original, type, cancellation);
            return path;
        }
        var said = new Dictionary<string, string>
        {
            [SingleFileModel.Entry + SingleFileModel.Index] = Compact(model.Index, model.Path),
            [SingleFileModel.Entry + SingleFileModel.Scheduler] = model.Scheduler,
        };
        foreach ((string name, StableDiffusionComponent component) in model.Components) said[SingleFileModel.Entry + name] = Compact(component.Config, model.Path);
        return ShardedWriter.Save(path, original, maxShardBytes ?? long.MaxValue, said, type, cancellation);
    }

    /// <summary>Writes a folder of diffusers' layout.</summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">The folder; files of the same names in it are replaced.</param>
    /// <param name="type">The type floating-point tensors are written in, or null for their own.</param>
    /// <param name="maxShardBytes">The most bytes of tensors in a file, beyond which a network is kept in several with an index; null for one file each.</param>
    /// <param name="cancellation">Stops between two pieces.</param>
    /// <returns>Whether there was a vocabulary for the tokenizers; without one they are left out.</returns>
    /// <exception cref="MuralException">A file cannot be written.</exception>
    internal static bool SaveFolder(StableDiffusionCheckpoint model, string folder, ScalarType? type = null, long? maxShardBytes = null, CancellationToken cancellation = default)
    {
        bool tokenizers = true;
        var saved = new List<(string Path, IReadOnlyList<string> Before, bool Sharded)>();
        StagedFolder.Write(folder, staged =>
        {
            foreach (StableDiffusionComponent component in model.Components.Values)
            {
                string own = Path.Combine(staged, component.Name);
                string name = FolderLayout.IsText(component.Name) ? ClipFiles.WeightsName : ModelFolder.WeightsName,
                    weights = Path.Combine(own, name), final = Path.Combine(folder, component.Name, name);
                bool sharded = ShardedWriter.Save(weights, component.Weights, maxShardBytes ?? long.MaxValue, new Dictionary<string, string>(), type, cancellation) != weights;
                saved.Add((final, ShardedWriter.FormsOf(final), sharded));
                AtomicFile.WriteText(Path.Combine(own, ModelFolder.ConfigName), component.Config);
                if (FolderLayout.IsText(component.Name)) tokenizers &= WriteTokenizer(model, component.Name, staged);
            }
            AtomicFile.WriteText(Path.Combine(staged, FolderLayout.SchedulerFolder, FolderLayout.SchedulerName), model.Scheduler);
            AtomicFile.WriteText(Path.Combine(staged, ModelFolder.IndexName), IndexOf(model, staged));
        });
        foreach ((string path, IReadOnlyList<string> before, bool sharded) in saved) ShardedWriter.RemoveEarlier(before, path, sharded);
        return tokenizers;
    }

    private static bool WriteTokenizer(StableDiffusionCheckpoint model, string component, string staged)
    {
        string target = StableDiffusionCheckpoint.TokenizerFolder(staged, component);
        if (model.OwnTokenizerFolder(component) is { } own)
        {
            if (!ClipVocabularyFiles.AreIn(own)) return false;
            Directory.CreateDirectory(target);
            foreach (string file in Directory.GetFiles(own)) File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
            return true;
        }
        if (ClipVocabularyLocation.Search(model.Path) is not { } found) return false;
        ClipTokenizerFolder.Write(ClipVocabularyFiles.Read(found), model.PadToken(component), target, model.WindowLength(component));
        return true;
    }

    // diffusers insists on every part that the list names: what was not written, such as a safety checker, is named as absent.
    private static string IndexOf(StableDiffusionCheckpoint model, string staged)
    {
        JsonObject index = FolderLayout.Parse(model.Index, model.Path);
        string[] absent = [.. index.Where(part => part.Value is JsonArray && !Directory.Exists(Path.Combine(staged, part.Key))).Select(part => part.Key)];
        foreach (string name in absent) index[name] = new JsonArray(null, null);
        return index.ToJsonString(ConfigWriter.Indented) + "\n";
    }

    private static string Compact(string json, string source) => FolderLayout.Parse(json, source).ToJsonString();
}
