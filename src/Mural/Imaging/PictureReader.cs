namespace Mural.Imaging;

/// <summary>Reads PNG, JPEG and WebP files, recognised by their content.</summary>
public static class PictureReader
{
    /// <summary>
    /// Reads a picture: upright (EXIF orientation applied), 8 bits a sample (of 16 bits the high byte is kept), sRGB (embedded profiles and CMYK are
    /// converted), with one channel for grey, three for colour and four where the file has transparency.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="limits">What the file may ask for; <see cref="ImageLimits.Default"/> where none is given.</param>
    /// <exception cref="MuralException">The file is missing, unreadable, damaged, larger than the limits or of another format.</exception>
    public static Picture Read(string path, ImageLimits? limits = null) => Decode(path, ReadFile(path, limits ?? ImageLimits.Default), limits);

    /// <summary>Decodes a picture file that is already in memory.</summary>
    /// <param name="name">What messages call the picture.</param>
    /// <param name="file">The whole file.</param>
    /// <param name="limits">What the file may ask for.</param>
    /// <exception cref="MuralException">The file is damaged, larger than the limits or of another format.</exception>
    public static Picture Decode(string name, byte[] file, ImageLimits? limits = null)
    {
        limits ??= ImageLimits.Default;
        return Named(name, file, format =>
        {
            if (format != PictureFormat.Png) return VipsDecoder.Decode(name, file, format, limits);
            PngStructure png = PngStructure.Parse(name, file, limits);
            png.CheckPixelData();
            return VipsDecoder.Decode(name, png.WithoutExtras(), format, limits);
        });
    }

    /// <summary>Reads format, size and texts of a file without decoding its pixels.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limits">What the file may ask for.</param>
    /// <exception cref="MuralException">The file is missing, unreadable, damaged, larger than the limits or of another format.</exception>
    public static PictureInfo Identify(string path, ImageLimits? limits = null) => Identify(path, ReadFile(path, limits ?? ImageLimits.Default), limits);

    /// <summary>Reads format, size and texts of a picture file that is already in memory.</summary>
    /// <param name="name">What messages call the picture.</param>
    /// <param name="file">The whole file.</param>
    /// <param name="limits">What the file may ask for.</param>
    /// <exception cref="MuralException">The file is damaged, larger than the limits or of another format.</exception>
    public static PictureInfo Identify(string name, byte[] file, ImageLimits? limits = null)
    {
        limits ??= ImageLimits.Default;
        return Named(name, file, format =>
        {
            if (format != PictureFormat.Png) return VipsDecoder.Identify(name, file, format, limits);
            PngStructure png = PngStructure.Parse(name, file, limits);
            return new PictureInfo(format, png.Header.Width, png.Header.Height, new PictureMetadata { Texts = PngText.Read(name, file, png.Chunks, limits) });
        });
    }

    private static T Named<T>(string name, byte[] file, Func<PictureFormat, T> read)
    {
        PictureFormat format = PictureFormats.FromContent(name, file);
        try
        {
            return read(format);
        }
        catch (DamagedFileException exception)
        {
            throw new MuralException($"{name} is a damaged {format} file: {exception.Message}; get another copy of it.", exception);
        }
    }

    internal static byte[] ReadFile(string path, ImageLimits limits)
    {
        try
        {
            var information = new FileInfo(path);
            if (!information.Exists)
                throw new MuralException(Directory.Exists(path) ? $"{path} is a folder: give the path of a picture file." : $"There is no file {path}: check the path.");
            if (information.Length > limits.MaxFileBytes)
                throw new MuralException($"{path} has {information.Length} bytes, but at most {limits.MaxFileBytes} are read: make the picture smaller or raise the limit.");
            using FileStream file = File.OpenRead(path);
            return ReadAll(path, file, (int)Math.Min(information.Length, Array.MaxLength), limits);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new MuralException($"{path} cannot be read ({exception.Message.TrimEnd('.')}): check the file and its permissions.", exception);
        }
    }

    // The length is only what is expected: a pipe or device says 0, and a file may grow. Another format shows before much of it is read.
    private static byte[] ReadAll(string path, FileStream file, int expected, ImageLimits limits)
    {
        using var content = new MemoryStream(expected);
        byte[] part = new byte[1 << 16];
        for (int read; (read = file.ReadAtLeast(part, part.Length, throwOnEndOfStream: false)) > 0;)
        {
            if (content.Length == 0) PictureFormats.FromContent(path, part.AsSpan(0, read));
            if (content.Length + read > limits.MaxFileBytes)
                throw new MuralException($"{path} has more than {limits.MaxFileBytes} bytes, which is the limit: make the picture smaller or raise the limit.");
            content.Write(part, 0, read);
        }
        return content.Length == content.Capacity ? content.GetBuffer() : content.ToArray();
    }
}
