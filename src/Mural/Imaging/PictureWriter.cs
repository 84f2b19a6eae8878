using NetVips;

namespace Mural.Imaging;

/// <summary>Writes pictures as PNG, JPEG or WebP, chosen by the file's extension.</summary>
public static class PictureWriter
{
    /// <summary>Writes a picture beside its final place and renames it, so that no half-written file is ever seen under <paramref name="path"/>.</summary>
    /// <param name="path">The file, replaced where it exists; its folder is created. The extension chooses the format: .png, .jpg, .jpeg or .webp.</param>
    /// <param name="picture">The picture.</param>
    /// <param name="options">Quality and the like.</param>
    /// <exception cref="MuralException">The extension is not known, the picture does not fit the format or the file cannot be written.</exception>
    public static void Write(string path, Picture picture, PictureWriteOptions? options = null)
    {
        byte[] file = Encode(picture, PictureFormats.FromExtension(path), options);
        string? beside = null;
        try
        {
            string full = Path.GetFullPath(path);
            Directory.CreateDirectory(Path.GetDirectoryName(full)!);
            beside = $"{full}.{Guid.NewGuid():N}.partial";
            File.WriteAllBytes(beside, file);
            File.Move(beside, full, overwrite: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            if (beside is not null) File.Delete(beside);
            throw new MuralException($"{path} cannot be written ({exception.Message.TrimEnd('.')}): choose a folder that exists and may be written to.", exception);
        }
    }

    /// <summary>Encodes a picture in memory.</summary>
    /// <param name="picture">The picture.</param>
    /// <param name="format">The format.</param>
    /// <param name="options">Quality and the like.</param>
    /// <exception cref="MuralException">The picture does not fit the format.</exception>
    public static byte[] Encode(Picture picture, PictureFormat format, PictureWriteOptions? options = null)
    {
        options ??= new PictureWriteOptions();
        Check(picture, format, options);
        VipsSetup.EnsureReady();
        Picture source = format == PictureFormat.Jpeg && picture.HasAlpha ? picture.ToRgb(options.Background) : picture;
        try
        {
            using Image samples = Image.NewFromMemory(source.Data, source.Width, source.Height, source.Channels, Enums.BandFormat.Uchar);
            using Image image = samples.Copy(interpretation: source.Channels == 1 ? Enums.Interpretation.Bw : Enums.Interpretation.Srgb);
            return format switch
            {
                PictureFormat.Png => image.PngsaveBuffer(compression: options.Compression, keep: Enums.ForeignKeep.None),
                PictureFormat.Jpeg => image.JpegsaveBuffer(q: options.Quality, keep: Enums.ForeignKeep.None),
                _ => image.WebpsaveBuffer(q: options.Quality, lossless: options.Lossless, keep: Enums.ForeignKeep.None),
            };
        }
        catch (VipsException exception)
        {
            throw new MuralException($"The picture of {picture.Width}x{picture.Height} pixels cannot be encoded as {format} ({VipsSetup.FirstLine(exception.Message)}): try another format.", exception);
        }
    }

    private static void Check(Picture picture, PictureFormat format, PictureWriteOptions options)
    {
        if (options.Quality is < 1 or > 100) throw new MuralException($"The quality {options.Quality} is not between 1 and 100.");
        if (options.Compression is < 0 or > 9) throw new MuralException($"The compression {options.Compression} is not between 0 and 9.");
        int largest = format switch { PictureFormat.Jpeg => 65_535, PictureFormat.WebP => 16_383, _ => int.MaxValue };
        if (picture.Width > largest || picture.Height > largest)
            throw new MuralException($"A picture of {picture.Width}x{picture.Height} pixels is too large for {format}, whose sides end at {largest}: write it as PNG.");
    }
}
