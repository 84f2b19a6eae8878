using System.IO.Compression;
using Mural.Checkpoints.Pickle;
using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>
/// Writes a flat state dict as <c>torch.save</c> does since PyTorch 1.6: a zip archive of stored entries, one for each tensor's data. Files appear whole
/// or not at all.
/// </summary>
public static class TorchWriter
{
    private const string Root = "archive";

    // The same checkpoint gives the same bytes whenever it is written.
    private static readonly DateTimeOffset Date = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Copies a checkpoint of any format into a .pth file, tensor by tensor, with no second copy of the model in memory.</summary>
    /// <param name="path">The file; its folder is created when missing.</param>
    /// <param name="source">The checkpoint to copy. Its free text entries are left out: the format has none.</param>
    /// <param name="type">The type floating-point tensors are written in, or null for their own; others keep theirs.</param>
    /// <param name="cancellationToken">Stops between two pieces; nothing is left behind then.</param>
    /// <exception cref="MuralException">The file cannot be written, or a tensor has a type or values that the file cannot hold.</exception>
    public static void Save(string path, ITensorSource source, ScalarType? type = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        PendingTensor[] tensors = [.. source.Tensors.Values.Select(entry => PendingTensor.From(source, entry, type))];
        byte[] pickle = StateDictPickle.Write(tensors);
        AtomicFile.Write(path, 0, stream => Write(stream, pickle, tensors, cancellationToken));
    }

    private static void Write(Stream stream, byte[] pickle, PendingTensor[] tensors, CancellationToken cancellationToken)
    {
        using var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
        Add(archive, "data.pkl", entry => entry.Write(pickle));
        Add(archive, "byteorder", entry => entry.Write("little"u8));
        for (int i = 0; i < tensors.Length; i++)
        {
            PendingTensor pending = tensors[i];
            Add(archive, $"data/{i}", entry => pending.WriteTo(entry, cancellationToken));
        }
        Add(archive, "version", entry => entry.Write("3\n"u8));
    }

    private static void Add(ZipArchive archive, string name, Action<Stream> write)
    {
        ZipArchiveEntry entry = archive.CreateEntry($"{Root}/{name}", CompressionLevel.NoCompression);
        entry.LastWriteTime = Date;
        using Stream content = entry.Open();
        write(content);
    }
}
