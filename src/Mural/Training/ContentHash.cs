using System.Security.Cryptography;
using System.Text;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Short names for what a run depends on: other content, another name.</summary>
internal static class ContentHash
{
    private const int Digits = 16;

    /// <summary>Names lines of text, their order included.</summary>
    internal static string Of(IEnumerable<string> lines) => Short(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', lines))));

    /// <summary>Names a network's weights, to the bit.</summary>
    internal static string Of(nn.Module module)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach ((string _, TorchSharp.Modules.Parameter parameter) in module.named_parameters())
        {
            using var scope = NewDisposeScope();
            hash.AppendData(parameter.detach().cpu().contiguous().bytes);
        }
        return Short(hash.GetHashAndReset());
    }

    /// <summary>Names what a weights file holds, or all those of a folder and the folders in it, with their places; null where there is nothing.</summary>
    internal static string? OfWeights(string path)
    {
        string[] files = Directory.Exists(path) ? [.. Directory.GetFiles(path, "*.safetensors", SearchOption.AllDirectories).Order(StringComparer.Ordinal)] : [path];
        if (files.Length == 0 || !File.Exists(files[0])) return null;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string file in files)
        {
            using FileStream stream = File.OpenRead(file);
            hash.AppendData(Encoding.UTF8.GetBytes(Path.GetRelativePath(path, file)));
            hash.AppendData(SHA256.HashData(stream));
        }
        return Short(hash.GetHashAndReset());
    }

    private static string Short(byte[] hash) => Convert.ToHexStringLower(hash)[..Digits];
}
