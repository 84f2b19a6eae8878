using System.IO.Compression;

namespace Mural.Tests.Checkpoints;

/// <summary>Changes the pickle inside of an archive of torch.save.</summary>
internal static class TorchPickles
{
    /// <summary>The archive with another pickle, or null where it is none.</summary>
    internal static byte[]? Damage(byte[] file, Func<byte[], byte[]> damage)
    {
        try
        {
            using var archive = new ZipArchive(new MemoryStream(file), ZipArchiveMode.Read);
            var entries = new List<(string Name, byte[] Data)>();
            foreach (ZipArchiveEntry entry in archive.Entries)
            {
                using Stream stream = entry.Open();
                var data = new MemoryStream();
                stream.CopyTo(data);
                entries.Add((entry.FullName, entry.Name == "data.pkl" ? damage(data.ToArray()) : data.ToArray()));
            }
            return TorchZip.Archive(entries);
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }
}
