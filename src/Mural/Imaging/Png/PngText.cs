using System.IO.Compression;
using System.Text;

namespace Mural.Imaging;

/// <summary>Text chunks of PNG: tEXt (Latin-1), zTXt (Latin-1, compressed) and iTXt (UTF-8, either way); PNG specification, 11.3.3.</summary>
internal static class PngText
{
    private const int LongestKeyword = 79;
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The texts of a checked file in its order. Chunks that break the rules of texts are left out: they say nothing about the picture.</summary>
    /// <exception cref="MuralException">The texts are larger than the limits.</exception>
    internal static List<PictureText> Read(string name, byte[] file, IEnumerable<PngChunk> chunks, ImageLimits limits)
    {
        var texts = new List<PictureText>();
        int left = limits.MaxTextBytes;
        foreach (PngChunk chunk in chunks)
        {
            if (chunk.Type is not ("tEXt" or "zTXt" or "iTXt")) continue;
            PictureText? text = Decode(chunk.Type, chunk.Data(file), ref left);
            if (left < 0)
                throw new MuralException($"The texts of {name} fill more than {limits.MaxTextBytes} bytes, which is the limit: raise it where the file can be trusted.");
            if (text is not null) texts.Add(text);
        }
        return texts;
    }

    /// <summary>Writes a text as the chunk that keeps it: tEXt where Latin-1 can, iTXt otherwise.</summary>
    /// <exception cref="MuralException">The keyword is not one that PNG allows.</exception>
    internal static void Write(Stream target, PictureText text, bool compress)
    {
        CheckKeyword(text.Keyword);
        byte[] keyword = [.. Encoding.Latin1.GetBytes(text.Keyword), 0];
        bool latin1 = text.Text.All(letter => letter is '\n' or (>= ' ' and <= '~') or (>= '\u00A0' and <= '\u00FF'));
        byte[] content = latin1 ? Encoding.Latin1.GetBytes(text.Text) : Encoding.UTF8.GetBytes(text.Text);
        if (compress) content = Deflate(content);
        // Behind the keyword, zTXt has the compression method, iTXt a flag, the method and two empty strings for language and translated keyword.
        if (latin1) PngChunk.Write(target, compress ? "zTXt" : "tEXt", compress ? [.. keyword, 0, .. content] : [.. keyword, .. content]);
        else PngChunk.Write(target, "iTXt", [.. keyword, (byte)(compress ? 1 : 0), 0, 0, 0, .. content]);
    }

    private static PictureText? Decode(string type, ReadOnlySpan<byte> data, ref int left)
    {
        int end = data.IndexOf((byte)0);
        if (end is < 1 or > LongestKeyword) return null;
        string keyword = Encoding.Latin1.GetString(data[..end]);
        ReadOnlySpan<byte> rest = data[(end + 1)..];
        bool compressed = type == "zTXt";
        if (type == "iTXt")
        {
            if (rest.Length < 4 || rest[0] > 1) return null;
            compressed = rest[0] == 1;
            if (compressed && rest[1] != 0) return null;
            rest = rest[2..];
            for (int part = 0; part < 2; part++)
            {
                int zero = rest.IndexOf((byte)0);
                if (zero < 0) return null;
                rest = rest[(zero + 1)..];
            }
        }
        else if (compressed)
        {
            if (rest.IsEmpty || rest[0] != 0) return null;
            rest = rest[1..];
        }
        byte[]? content = compressed ? Inflate(rest, left) : rest.ToArray();
        if (content is null) return null;
        left -= content.Length;
        return left < 0 ? null : new PictureText(keyword, DecodeText(content));
    }

    // Some programs write UTF-8 where the standard wants Latin-1, so UTF-8 is tried first everywhere.
    private static string DecodeText(byte[] content)
    {
        try
        {
            return StrictUtf8.GetString(content);
        }
        catch (DecoderFallbackException)
        {
            return Encoding.Latin1.GetString(content);
        }
    }

    /// <summary>Inflates at most one byte more than <paramref name="limit"/>; null where the stream is broken.</summary>
    private static byte[]? Inflate(ReadOnlySpan<byte> content, int limit)
    {
        using var inflated = new ZLibStream(new MemoryStream(content.ToArray()), CompressionMode.Decompress);
        using var target = new MemoryStream();
        byte[] buffer = new byte[4096];
        try
        {
            int read;
            while (target.Length <= limit && (read = inflated.Read(buffer)) > 0) target.Write(buffer, 0, (int)Math.Min(read, limit + 1L - target.Length));
            return target.ToArray();
        }
        catch (Exception exception) when (exception is InvalidDataException or IOException)
        {
            return null;
        }
    }

    private static byte[] Deflate(byte[] content)
    {
        using var target = new MemoryStream();
        using (var deflated = new ZLibStream(target, CompressionLevel.SmallestSize)) deflated.Write(content);
        return target.ToArray();
    }

    private static void CheckKeyword(string keyword)
    {
        bool allowed = keyword.Length is >= 1 and <= LongestKeyword && keyword.Trim(' ') == keyword && !keyword.Contains("  ", StringComparison.Ordinal)
            && keyword.All(letter => letter is (>= ' ' and <= '~') or (>= '\u00A1' and <= '\u00FF'));
        if (!allowed)
            throw new MuralException(
                $"'{keyword}' cannot be the keyword of a text in a PNG file: 1 to {LongestKeyword} printable Latin-1 letters without doubled spaces were expected.");
    }
}
