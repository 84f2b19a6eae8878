using System.Buffers.Binary;
using System.Text;

namespace Mural.Imaging;

/// <summary>
/// The texts of JPEG and WebP, in EXIF: the parameters as UserComment, where stable-diffusion-webui looks for them (spec 9.1), and Mural's JSON as
/// ImageDescription behind the word <c>mural:</c>.
/// </summary>
internal static class ExifText
{
    private const ushort DescriptionTag = 0x010E, ExifTag = 0x8769, UserCommentTag = 0x9286;
    private const string MuralPrefix = PictureMetadata.MuralKeyword + ":";
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private static ReadOnlySpan<byte> Prefix => "Exif\0\0"u8;

    private static ReadOnlySpan<byte> UnicodePrefix => "UNICODE\0"u8;

    private static ReadOnlySpan<byte> AsciiPrefix => "ASCII\0\0\0"u8;

    /// <summary>An EXIF block with the texts it has room for; null where there are none of these.</summary>
    internal static byte[]? Build(PictureMetadata metadata)
    {
        if (metadata.Parameters is null && metadata.MuralJson is null) return null;
        using var block = new MemoryStream();
        block.Write(Prefix);
        var main = new List<TiffEntry>();
        if (metadata.MuralJson is { } json) main.Add(new TiffEntry(DescriptionTag, TiffEntry.Ascii, [.. Encoding.UTF8.GetBytes(MuralPrefix + json), 0]));
        List<TiffEntry>? exif = metadata.Parameters is { } parameters
            ? [new TiffEntry(UserCommentTag, TiffEntry.Undefined, [.. UnicodePrefix, .. Encoding.BigEndianUnicode.GetBytes(parameters)])]
            : null;
        block.Write(TiffEntry.Write(main, ExifTag, exif));
        return block.ToArray();
    }

    /// <summary>The texts of an EXIF block; what cannot be understood is left out.</summary>
    internal static List<PictureText> Read(ReadOnlySpan<byte> exif)
    {
        ReadOnlySpan<byte> tiff = exif.StartsWith(Prefix) ? exif[Prefix.Length..] : exif;
        var texts = new List<PictureText>();
        List<TiffEntry> entries = TiffEntry.Read(tiff, ExifTag, out bool bigEndian);
        if (entries.Find(entry => entry.Tag == UserCommentTag) is { } comment && DecodeComment(comment.Data, bigEndian) is { Length: > 0 } parameters)
            texts.Add(new PictureText(PictureMetadata.ParametersKeyword, parameters));
        if (entries.Find(entry => entry.Tag == DescriptionTag) is { } description && DecodeBytes(description.Data) is { Length: > 0 } text)
            texts.Add(text.StartsWith(MuralPrefix, StringComparison.Ordinal)
                ? new PictureText(PictureMetadata.MuralKeyword, text[MuralPrefix.Length..])
                : new PictureText("description", text));
        return texts;
    }

    private static string DecodeComment(ReadOnlySpan<byte> comment, bool bigEndian)
    {
        if (comment.StartsWith(UnicodePrefix)) return DecodeUtf16(comment[UnicodePrefix.Length..], bigEndian);
        bool named = comment.StartsWith(AsciiPrefix) || comment.StartsWith((ReadOnlySpan<byte>)[0, 0, 0, 0, 0, 0, 0, 0]);
        return DecodeBytes(named ? comment[AsciiPrefix.Length..] : comment);
    }

    // Programs disagree on the byte order of UserComment. Most letters are below 256, so their zero bytes tell; without any, the block's own order counts.
    private static string DecodeUtf16(ReadOnlySpan<byte> text, bool bigEndian)
    {
        text = text[..(text.Length & ~1)];
        if (text.Length >= 2 && BinaryPrimitives.ReadUInt16BigEndian(text) is 0xFEFF or 0xFFFE)
            return (text[0] == 0xFE ? Encoding.BigEndianUnicode : Encoding.Unicode).GetString(text[2..]);
        int first = 0, second = 0;
        for (int i = 0; i < text.Length; i += 2)
        {
            if (text[i] == 0) first++;
            if (text[i + 1] == 0) second++;
        }
        bool big = first == second ? bigEndian : first > second;
        return (big ? Encoding.BigEndianUnicode : Encoding.Unicode).GetString(text).TrimEnd('\0');
    }

    private static string DecodeBytes(ReadOnlySpan<byte> text)
    {
        text = text.TrimEnd((byte)0);
        try
        {
            return StrictUtf8.GetString(text);
        }
        catch (DecoderFallbackException)
        {
            return Encoding.Latin1.GetString(text);
        }
    }
}
