using Microsoft.Win32.SafeHandles;

namespace Mural.Checkpoints;

/// <summary>Reads from files, of which one call may give less than it is asked for.</summary>
internal static class FileBytes
{
    /// <summary>Bytes of a file; of its target where it is a link, as downloads often are: what a system says of a link itself is 0, or the length of a path.</summary>
    /// <exception cref="IOException">There is none.</exception>
    internal static long LengthOf(string path)
    {
        var file = new FileInfo(path);
        return file.Exists && file.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target ? target.Length : file.Length;
    }

    /// <summary>Fills memory with what stands in a file from some place on.</summary>
    /// <param name="file">The file.</param>
    /// <param name="bytes">What is filled.</param>
    /// <param name="offset">The place of its first byte.</param>
    /// <param name="early">What is said of a file that ends before.</param>
    /// <exception cref="MuralException">It does.</exception>
    internal static void Fill(SafeFileHandle file, Span<byte> bytes, long offset, string early)
    {
        while (bytes.Length > 0)
        {
            int read = RandomAccess.Read(file, bytes, offset);
            if (read == 0) throw new MuralException(early);
            bytes = bytes[read..];
            offset += read;
        }
    }
}
