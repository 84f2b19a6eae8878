using Mural.UNet;

namespace Mural.Cli.Painting;

/// <summary>The ControlNets that a word can stand for: those in the folders of <see cref="ModelCatalog.Variable"/>.</summary>
internal static class ControlCatalog
{
    private const string ConfigName = "config.json";

    /// <summary>The folder that a path or a word, such as <c>canny</c>, stands for.</summary>
    /// <param name="pathOrWord">A folder, its name, or a part of its name.</param>
    /// <param name="fits">Whether a ControlNet suits the model.</param>
    /// <exception cref="MuralException">There is none, or several.</exception>
    internal static string Find(string pathOrWord, Func<ControlNetConfig, bool> fits)
    {
        if (File.Exists(Path.Combine(pathOrWord, ConfigName))) return pathOrWord;
        if (Directory.Exists(pathOrWord)) throw new MuralException($"{pathOrWord} is a folder without {ConfigName}: give the folder of a ControlNet as diffusers keeps it.");
        string[] all = [.. Folders().Where(folder => IsControlNet(folder, fits))];
        string[] named = [.. all.Where(folder => string.Equals(Path.GetFileName(folder), pathOrWord, StringComparison.OrdinalIgnoreCase))];
        string[] found = named.Length > 0 ? named : [.. all.Where(folder => Path.GetFileName(folder).Contains(pathOrWord, StringComparison.OrdinalIgnoreCase))];
        return found.Length switch
        {
            1 => found[0],
            0 => throw new MuralException($"There is no ControlNet {pathOrWord} for this model: give the path of its folder, or put it into a folder that {ModelCatalog.Variable} names."),
            _ => throw new MuralException($"Several ControlNets suit {pathOrWord} ({string.Join(", ", found.Select(Path.GetFileName))}): give the name of one, or its path."),
        };
    }

    private static IEnumerable<string> Folders() => ModelCatalog.OwnRoots().Where(Directory.Exists).SelectMany(Directory.GetDirectories)
        .Where(folder => File.Exists(Path.Combine(folder, ConfigName))).Order(StringComparer.Ordinal);

    // Folders of other models lie beside them.
    private static bool IsControlNet(string folder, Func<ControlNetConfig, bool> fits)
    {
        try
        {
            return fits(ControlNetConfig.Read(folder));
        }
        catch (MuralException)
        {
            return false;
        }
    }
}
