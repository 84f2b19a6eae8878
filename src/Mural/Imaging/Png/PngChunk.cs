using System.Buffers.Binary;
using System.Text;

namespace Mural.Imaging;

/// <summary>One chunk: its four-letter type and where it lies in the file.</summary>
/// <param name="Type">Four ASCII letters; a lower-case first letter means that readers may ignore it.</param>
/// <param name="Start">Offset of the length field, where the chunk begins.</param>
/// <param name="Length">Bytes of data.</param>
internal readonly record struct PngChunk(string Type, int Start, int Length)
{
    // Length and type before the data, the check sum behind it.
    internal const int Overhead = 12;

    internal int DataStart => Start + 8;

    internal int End => Start + Overhead + Length;

    internal bool IsCritical => char.IsAsciiLetterUpper(Type[0]);

    internal ReadOnlySpan<byte> Data(ReadOnlySpan<byte> file) => file.Slice(DataStart, Length);

    /// <summary>The chunks of a file in order, up to and including IEND; what follows it is ignored.</summary>
    /// <exception cref="DamagedFileException">A length, type or check sum is wrong, or the file ends before IEND.</exception>
    internal static List<PngChunk> ReadAll(ReadOnlySpan<byte> file)
    {
        if (!file.StartsWith(PictureFormats.PngSignature)) throw new DamagedFileException("the PNG signature is missing");
        var chunks = new List<PngChunk>();
        for (int start = PictureFormats.PngSignature.Length; ; start = chunks[^1].End)
        {
            PngChunk chunk = Read(file, start);
            chunks.Add(chunk);
            if (chunk.Type == "IEND") return chunks;
        }
    }

    private static PngChunk Read(ReadOnlySpan<byte> file, int start)
    {
        ReadOnlySpan<byte> rest = file[start..];
        if (rest.Length < Overhead) throw new DamagedFileException($"the file ends at byte {file.Length}, before its last chunk");
        uint length = BinaryPrimitives.ReadUInt32BigEndian(rest);
        ReadOnlySpan<byte> type = rest.Slice(4, 4);
        foreach (byte letter in type)
            if (!char.IsAsciiLetter((char)letter)) throw new DamagedFileException($"the chunk at byte {start} has the type {Convert.ToHexString(type)}, which is not four letters");
        string name = Encoding.ASCII.GetString(type);
        if (length > rest.Length - Overhead)
            throw new DamagedFileException($"the chunk {name} at byte {start} claims {length} bytes, but the file has only {rest.Length - Overhead} more");
        uint stored = BinaryPrimitives.ReadUInt32BigEndian(rest[(8 + (int)length)..]), actual = Crc32.Of(rest.Slice(4, 4 + (int)length));
        if (stored != actual) throw new DamagedFileException($"the chunk {name} at byte {start} has the check sum {actual:X8} instead of {stored:X8}");
        return new PngChunk(name, start, (int)length);
    }

    /// <summary>Appends a chunk with its length and check sum.</summary>
    internal static void Write(Stream target, string type, ReadOnlySpan<byte> data)
    {
        byte[] chunk = new byte[Overhead + data.Length];
        BinaryPrimitives.WriteInt32BigEndian(chunk, data.Length);
        Encoding.ASCII.GetBytes(type, chunk.AsSpan(4));
        data.CopyTo(chunk.AsSpan(8));
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(8 + data.Length), Crc32.Of(chunk.AsSpan(4, 4 + data.Length)));
        target.Write(chunk);
    }
}
