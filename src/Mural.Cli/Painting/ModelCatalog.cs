using Mural.Checkpoints;
using Mural.Checkpoints.SingleFile;
using Mural.Checkpoints.StableDiffusion;
using Mural.Hub;
using Mural.Pipelines;

namespace Mural.Cli.Painting;

/// <summary>The models that a name can stand for: those that come with the program, and those in the folders of <see cref="Variable"/>.</summary>
internal static class ModelCatalog
{
    /// <summary>Environment variable with more folders of models, separated as in PATH.</summary>
    internal const string Variable = "MURAL_MODELS";

    /// <summary>The model that paints when none is named.</summary>
    internal const string Default = "emoji";

    private const string IndexName = Checkpoints.ModelFolder.IndexName, Safetensors = ".safetensors";

    /// <summary>A person's own folders of models.</summary>
    internal static string[] OwnRoots() =>
        Environment.GetEnvironmentVariable(Variable)?.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];

    /// <summary>All models, a person's own first: a name that comes twice means the first.</summary>
    internal static IReadOnlyList<ModelFolder> All() => [.. Candidates().Where(IsModel)];

    /// <summary>The folder or file that a path or a name stands for; null for the default model, whatever lies in the current folder.</summary>
    /// <exception cref="MuralException">There is no such model.</exception>
    internal static ModelFolder Find(string? pathOrName)
    {
        if (pathOrName is null) return Named(Default) ?? throw Missing(Default);
        if (File.Exists(Path.Combine(pathOrName, IndexName))) return new ModelFolder(Path.GetFullPath(pathOrName), BuiltIn: false);
        // A Stable Diffusion may be one file, or a folder that lost its index.
        if (File.Exists(pathOrName) || Directory.Exists(Path.Combine(pathOrName, SingleFileLayout.UNet))) return new ModelFolder(Path.GetFullPath(pathOrName), BuiltIn: false);
        // The hub's own tools keep the files of a repository some folders below its own.
        if (HubCache.Snapshot(pathOrName) is { } snapshot && FolderLayout.Is(snapshot)) return new ModelFolder(Path.GetFullPath(snapshot), BuiltIn: false);
        // A folder that is none does not hide a model of its name.
        if (Named(pathOrName) is { } named) return named;
        throw Directory.Exists(pathOrName) ? NoModel(pathOrName) : Missing(pathOrName);
    }

    private static MuralException NoModel(string folder)
    {
        string[] files = [.. Directory.GetFiles(folder).Where(IsSingleFile).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];
        string instead = files.Length == 0 ? "" : $", or a file in it ({string.Join(", ", files.Take(5))}{(files.Length > 5 ? $" and {files.Length - 5} more" : "")})";
        return new MuralException($"{folder} is a folder without {IndexName}: give the folder of a whole model{instead}.");
    }

    // Only files of that name are opened.
    private static ModelFolder? Named(string name) => Candidates().FirstOrDefault(model => string.Equals(model.Name, name, StringComparison.OrdinalIgnoreCase) && IsModel(model));

    private static IEnumerable<ModelFolder> Candidates() =>
        OwnRoots().SelectMany(root => In(root, builtIn: false)).Concat(In(Path.Combine(AppContext.BaseDirectory, "models"), builtIn: true));

    private static MuralException Missing(string name)
    {
        IReadOnlyList<ModelFolder> all = All();
        return new MuralException(all.Count == 0
            ? $"There is no model {name}, and none came with this program: give the path of a model's folder, or set {Variable} to a folder of models."
            : $"There is no model {name}: give a path, or one of the names {string.Join(", ", all.Select(model => model.Name).Distinct())}.");
    }

    private static IEnumerable<ModelFolder> In(string root, bool builtIn)
    {
        if (!Directory.Exists(root)) return [];
        string[] all = [.. Directory.GetDirectories(root).Prepend(root).Order(StringComparer.Ordinal)];
        string[] folders = [.. all.Where(folder => File.Exists(Path.Combine(folder, IndexName)))];
        // Beside the parts of a model lies the same model again.
        IEnumerable<string> files = all.Except(folders).SelectMany(folder => Directory.GetFiles(folder).Order(StringComparer.Ordinal)).Where(IsSingleFile);
        return folders.Concat(files).Select(path => new ModelFolder(Path.GetFullPath(path), builtIn));
    }

    // Adapters, autoencoders and ControlNets have the same extension as models.
    private static bool IsModel(ModelFolder model) =>
        !HasExtension(model.Path, Safetensors) || !model.IsFile || SafetensorsHeader.Mentions(model.Path, SingleFileLayout.UNetPrefix);

    private static bool IsSingleFile(string file) => HasExtension(file, Safetensors) || HasExtension(file, ".ckpt");

    private static bool HasExtension(string file, string extension) => string.Equals(Path.GetExtension(file), extension, StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether a model is a DiM; otherwise it is one of Stable Diffusion's families, or unknown.</summary>
    internal static bool IsDiM(this ModelFolder model) => File.Exists(Path.Combine(model.Path, IndexName)) && DiffusersIndex.Open(model.Path).ClassName == DiMModelIndex.ClassName;

    /// <summary>Reads what a DiM says of itself.</summary>
    internal static DiMModelIndex Index(this ModelFolder model) => DiMModelIndex.Load(model.Path);
}
