using System.IO.Compression;

namespace Mural.Tests.Checkpoints;

/// <summary>Writes archives as torch.save does.</summary>
internal static class TorchZip
{
    /// <summary>An archive of a pickle and the storages it refers to.</summary>
    internal static byte[] Build(byte[] pickle, params ReadOnlySpan<(string Key, byte[] Data)> storages)
    {
        var entries = new List<(string Name, byte[] Data)> { ("archive/data.pkl", pickle), ("archive/byteorder", "little"u8.ToArray()), ("archive/version", "3\n"u8.ToArray()) };
        foreach ((string key, byte[] data) in storages) entries.Add(($"archive/data/{key}", data));
        return Archive(entries);
    }

    internal static byte[] Archive(IEnumerable<(string Name, byte[] Data)> entries, CompressionLevel compression = CompressionLevel.NoCompression)
    {
        var stream = new MemoryStream();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach ((string name, byte[] data) in entries)
            {
                using Stream entry = archive.CreateEntry(name, compression).Open();
                entry.Write(data);
            }
        }
        return stream.ToArray();
    }
}
