using Mural.Checkpoints;
using Mural.LinFusion;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>
/// Keeps what a teacher said of noisy latents, one file for each sample and drawing of its noise, so that later epochs with the same noise need no teacher. A training with few
/// drawings sees less noise, which is why this is off unless asked for.
/// </summary>
/// <param name="folder">Where the files are; named after everything that they depend on.</param>
internal sealed class TeacherCache(string folder)
{
    private const string Output = "output";

    /// <summary>What the teacher says of a batch: from the files where all are there, else computed and kept.</summary>
    /// <param name="names">Of each sample of the batch.</param>
    /// <param name="compute">Runs the teacher.</param>
    internal Teaching Of(IReadOnlyList<string> names, Func<Teaching> compute)
    {
        string[] files = [.. names.Select(name => Path.Combine(folder, $"{name}.safetensors"))];
        if (files.All(File.Exists)) return Load(files);
        Teaching taught = compute();
        Directory.CreateDirectory(folder);
        using DisposeScope scope = NewDisposeScope();
        foreach ((int i, string file) in files.Index()) SafetensorsWriter.Save(file, Named(taught).ToDictionary(part => part.Name, part => part.Value.narrow(0, i, 1)));
        return taught;
    }

    private static IEnumerable<(string Name, Tensor Value)> Named(Teaching taught) => taught.Features.Select((feature, i) => ($"{i}", feature)).Prepend((Output, taught.Output));

    private static Teaching Load(string[] files)
    {
        using DisposeScope scope = NewDisposeScope();
        var parts = new Dictionary<string, List<Tensor>>();
        foreach (string file in files)
        {
            using SafetensorsFile source = SafetensorsFile.Open(file);
            foreach (string name in source.Tensors.Keys)
            {
                if (!parts.TryGetValue(name, out List<Tensor>? rows)) parts.Add(name, rows = []);
                rows.Add(source.Read(name));
            }
        }
        Tensor Whole(string name) => cat(parts[name]).MoveToOuterDisposeScope();
        return new Teaching(Whole(Output), [.. Enumerable.Range(0, parts.Count - 1).Select(i => Whole($"{i}"))]);
    }
}
