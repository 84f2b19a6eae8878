using System.Security.Cryptography;
using Mural.Checkpoints;

namespace Mural.Cli.Painting;

/// <summary>A folder with a model, or a file with one.</summary>
/// <param name="Path">The folder or file.</param>
/// <param name="BuiltIn">Whether it came with the program.</param>
internal sealed record ModelFolder(string Path, bool BuiltIn)
{
    /// <summary>Whether it is one file.</summary>
    internal bool IsFile => File.Exists(Path);

    /// <summary>The name that <c>--model</c> takes: the folder's, or the file's without its extension.</summary>
    internal string Name => IsFile ? System.IO.Path.GetFileNameWithoutExtension(Path) : System.IO.Path.GetFileName(System.IO.Path.TrimEndingDirectorySeparator(Path));

    /// <summary>Size of its weights in bytes.</summary>
    internal long Bytes => Weights().Sum(file => FileBytes.LengthOf(file));

    /// <summary>SHA-256 of all its weights, in the order of their names: another hash, another picture.</summary>
    internal string Hash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[1 << 20];
        foreach (string file in Weights())
        {
            using FileStream stream = File.OpenRead(file);
            for (int read; (read = stream.Read(buffer)) > 0;) hash.AppendData(buffer, 0, read);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    // A judge that lies beside the parts of a model paints nothing.
    private string[] Weights() => IsFile ? [Path] :
    [
        .. Directory.GetFiles(Path, "*.safetensors", SearchOption.AllDirectories)
            .Where(file => System.IO.Path.GetDirectoryName(file) != System.IO.Path.Combine(Path, "judge"))
            .Order(StringComparer.Ordinal),
    ];
}
