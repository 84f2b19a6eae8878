using Mural.Checkpoints.StableDiffusion;

namespace Mural.Cli.Painting;

/// <summary>The ControlNets that a word can stand for: those in the folders of <see cref="ModelCatalog.Variable"/>, and those in the folders below.</summary>
internal static class ControlCatalog
{
    private const string ConfigName = Checkpoints.ModelFolder.ConfigName;

    /// <summary>The folder or file that a path or a word, such as <c>canny</c>, stands for.</summary>
    /// <param name="pathOrWord">A folder, a file, its name, or a part of its name.</param>
    /// <param name="fits">Whether a path holds a ControlNet that suits the model.</param>
    /// <exception cref="MuralException">There is none, or several.</exception>
    internal static string Find(string pathOrWord, Func<string, bool> fits)
    {
        if (File.Exists(pathOrWord) || File.Exists(Path.Combine(pathOrWord, ConfigName))) return pathOrWord;
        if (Directory.Exists(pathOrWord))
            throw new MuralException($"{pathOrWord} is a folder without {ConfigName}: give the folder of a ControlNet as diffusers keeps it, or a file.");
        string[] all = [.. Candidates().Where(path => NameOf(path).Contains(pathOrWord, StringComparison.OrdinalIgnoreCase)).Where(fits)];
        string[] named = [.. all.Where(path => string.Equals(NameOf(path), pathOrWord, StringComparison.OrdinalIgnoreCase))];
        string[] found = named.Length > 0 ? named : all;
        return found.Length switch
        {
            1 => found[0],
            0 => throw new MuralException(
                $"There is no ControlNet {pathOrWord} for this model: give the path of its folder or file, or put it into a folder that {ModelCatalog.Variable} names."),
            _ => throw new MuralException($"Several ControlNets suit {pathOrWord} ({string.Join(", ", found.Select(NameOf))}): give the name of one, or its path."),
        };
    }

    // Folders of other models, and files of other kinds, lie beside them.
    private static IEnumerable<string> Candidates()
    {
        string[] roots = [.. ModelCatalog.OwnRoots().Where(Directory.Exists)], below = [.. roots.SelectMany(Directory.GetDirectories).Order(StringComparer.Ordinal)];
        string[] folders = [.. below.Where(folder => File.Exists(Path.Combine(folder, ConfigName)))];
        IEnumerable<string> files = roots.Concat(below.Except(folders)).SelectMany(Directory.GetFiles).Order(StringComparer.Ordinal);
        return folders.Concat(files.Where(file => ControlNetFile.Extensions.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase)));
    }

    private static string NameOf(string path) => Directory.Exists(path) ? Path.GetFileName(path) : Path.GetFileNameWithoutExtension(path);
}
