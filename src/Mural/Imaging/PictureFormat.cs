namespace Mural.Imaging;

/// <summary>The file formats that pictures are read from and written to.</summary>
public enum PictureFormat
{
    /// <summary>Portable Network Graphics, lossless.</summary>
    Png,

    /// <summary>JPEG, lossy, without alpha.</summary>
    Jpeg,

    /// <summary>WebP, lossy or lossless.</summary>
    WebP,
}

/// <summary>Recognises formats: files by their first bytes, file names by their extension.</summary>
internal static class PictureFormats
{
    /// <summary>The eight bytes that every PNG file starts with.</summary>
    internal static ReadOnlySpan<byte> PngSignature => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>Bytes at a file's start that decide its format.</summary>
    internal const int SignatureBytes = 12;

    internal static PictureFormat FromContent(string name, ReadOnlySpan<byte> file)
    {
        if (file.IsEmpty) throw new MuralException($"{name} is empty: a PNG, JPEG or WebP picture was expected.");
        return Recognise(file)
            ?? throw new MuralException(
                $"{name} is not a PNG, JPEG or WebP picture (its first bytes are {Convert.ToHexString(file[..Math.Min(8, file.Length)])}): convert it to one of these.");
    }

    /// <summary>The format that begins like this, or null where none does.</summary>
    internal static PictureFormat? Recognise(ReadOnlySpan<byte> file)
    {
        if (file.StartsWith(PngSignature)) return PictureFormat.Png;
        if (file.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF])) return PictureFormat.Jpeg;
        if (file.Length >= SignatureBytes && file.StartsWith("RIFF"u8) && file[8..].StartsWith("WEBP"u8)) return PictureFormat.WebP;
        return null;
    }

    internal static PictureFormat FromExtension(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".png" => PictureFormat.Png,
        ".jpg" or ".jpeg" => PictureFormat.Jpeg,
        ".webp" => PictureFormat.WebP,
        "" => throw new MuralException($"The file name {path} has no extension: end it with .png, .jpg or .webp to choose the format."),
        string other => throw new MuralException($"Pictures cannot be written as {other}: end the name {path} with .png, .jpg or .webp."),
    };
}
