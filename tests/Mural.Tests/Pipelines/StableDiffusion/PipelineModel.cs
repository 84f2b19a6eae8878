using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.Tests.Goldens;
using Mural.Tests.UNet;

namespace Mural.Tests.Pipelines;

/// <summary>The folder of the checkpoint that a case runs on, with the UNet's weights and the settings that the case brings in place of the checkpoint's.</summary>
internal sealed class PipelineModel : IDisposable
{
    private const string Prefix = "w.", ZerosKey = "force_zeros_for_empty_prompt";

    private readonly bool _changed;

    internal PipelineModel(GoldenCase golden)
    {
        Folder = golden.ModelFolder;
        string[] brought = [.. golden.Tensors.Keys.Where(name => name.StartsWith(Prefix, StringComparison.Ordinal) && !ControlNetGoldens.BringsWeight(name))];
        JsonNode? zeros = golden.Config[ZerosKey];
        if (brought.Length == 0 && zeros is null) return;
        _changed = true;
        Folder = Copy(golden.ModelFolder);
        if (zeros is not null) Set(Path.Combine(Folder, ModelFolder.IndexName), ZerosKey, zeros.DeepClone());
        if (brought.Length > 0) Bring(golden, brought, Path.Combine(Folder, "unet"));
    }

    internal string Folder { get; }

    /// <summary>A copy of a model's folder that tests can change.</summary>
    internal static string Copy(string source)
    {
        string target = Directory.CreateTempSubdirectory("mural-sd-").FullName;
        foreach (string file in Directory.GetFiles(source, "*", SearchOption.AllDirectories))
        {
            string place = Path.Combine(target, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(place)!);
            File.WriteAllBytes(place, File.ReadAllBytes(file));
        }
        return target;
    }

    public void Dispose()
    {
        if (_changed) Directory.Delete(Folder, recursive: true);
    }

    private static void Bring(GoldenCase golden, string[] brought, string unet)
    {
        string weights = Path.Combine(unet, "diffusion_pytorch_model.safetensors");
        var tensors = new Dictionary<string, Tensor>();
        using (SafetensorsFile file = SafetensorsFile.Open(weights))
            foreach (string name in file.Tensors.Keys) tensors.Add(name, file.Read(name));
        foreach (string name in brought) tensors[name[Prefix.Length..]] = golden.Get(name);
        SafetensorsWriter.Save(weights, tensors);
        Set(Path.Combine(unet, ModelFolder.ConfigName), "in_channels", (int)tensors["conv_in.weight"].shape[1]);
    }

    private static void Set(string file, string key, JsonNode value)
    {
        JsonNode json = JsonNode.Parse(File.ReadAllText(file))!;
        json[key] = value;
        File.WriteAllText(file, json.ToJsonString());
    }
}
