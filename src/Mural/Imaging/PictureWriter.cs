using Mural.Checkpoints;
using NetVips;

namespace Mural.Imaging;

/// <summary>Writes pictures as PNG, JPEG or WebP, chosen by the file's extension.</summary>
public static class PictureWriter
{
    // A JPEG segment has 65,533 bytes; libvips adds a few entries of its own.
    private const int LargestExif = 65_000;

    /// <summary>Writes a picture beside its final place and renames it, so that no half-written file is ever seen under <paramref name="path"/>.</summary>
    /// <param name="path">The file, replaced where it exists; its folder is created. The extension chooses the format: .png, .jpg, .jpeg or .webp.</param>
    /// <param name="picture">The picture.</param>
    /// <param name="options">Quality and the like.</param>
    /// <param name="metadata">Texts to store: all of them in PNG; in JPEG and WebP, which have room for no others, the parameters and Mural's own.</param>
    /// <exception cref="MuralException">The extension is not known, picture or texts do not fit the format or the file cannot be written.</exception>
    public static void Write(string path, Picture picture, PictureWriteOptions? options = null, PictureMetadata? metadata = null)
    {
        byte[] file = Encode(picture, PictureFormats.FromExtension(path), options, metadata);
        AtomicFile.Write(path, file.Length, stream => stream.Write(file));
    }

    /// <summary>Encodes a picture in memory.</summary>
    /// <param name="picture">The picture.</param>
    /// <param name="format">The format.</param>
    /// <param name="options">Quality and the like.</param>
    /// <param name="metadata">Texts to store.</param>
    /// <exception cref="MuralException">Picture or texts do not fit the format.</exception>
    public static byte[] Encode(Picture picture, PictureFormat format, PictureWriteOptions? options = null, PictureMetadata? metadata = null)
    {
        options ??= new PictureWriteOptions();
        metadata ??= PictureMetadata.Empty;
        Check(picture, format, options);
        VipsSetup.EnsureReady();
        Picture source = format == PictureFormat.Jpeg && picture.HasAlpha ? picture.ToRgb(options.Background) : picture;
        try
        {
            using Image samples = Image.NewFromMemory(source.Data, source.Width, source.Height, source.Channels, Enums.BandFormat.Uchar);
            using Image colours = samples.Copy(interpretation: source.Channels == 1 ? Enums.Interpretation.Bw : Enums.Interpretation.Srgb);
            if (format == PictureFormat.Png) return WithTexts(colours.PngsaveBuffer(compression: options.Compression, keep: Enums.ForeignKeep.None), metadata, options);
            using Image image = WithExif(colours, metadata);
            return format == PictureFormat.Jpeg
                ? image.JpegsaveBuffer(q: options.Quality, keep: Enums.ForeignKeep.Exif)
                : image.WebpsaveBuffer(q: options.Quality, lossless: options.Lossless, keep: Enums.ForeignKeep.Exif);
        }
        catch (VipsException exception)
        {
            throw new MuralException(
                $"The picture of {picture.Width}x{picture.Height} pixels cannot be encoded as {format} ({VipsSetup.FirstLine(exception.Message)}): try another format.", exception);
        }
    }

    /// <summary>Tells of a picture that is still to be painted whether a format holds it and its texts.</summary>
    /// <exception cref="MuralException">It does not.</exception>
    internal static void Check(PictureFormat format, int width, int height, PictureMetadata metadata)
    {
        CheckSize(format, width, height);
        if (format == PictureFormat.Png) return;
        _ = Exif(metadata);
        if (3L * width * height > Array.MaxLength)
            throw new MuralException($"A picture of {width}x{height} pixels is too large to be written as {format}, which takes all of it in memory: write it as PNG.");
    }

    // Texts stand right behind the header, where readers that stop at the pixels still find them.
    private static byte[] WithTexts(byte[] png, PictureMetadata metadata, PictureWriteOptions options)
    {
        if (metadata.Texts.Count == 0) return png;
        int end = PngChunk.ReadAll(png)[0].End;
        using var target = new MemoryStream(png.Length);
        target.Write(png.AsSpan(0, end));
        foreach (PictureText text in metadata.Texts) PngText.Write(target, text, options.CompressTexts);
        target.Write(png.AsSpan(end));
        return target.ToArray();
    }

    private static byte[]? Exif(PictureMetadata metadata) => ExifText.Build(metadata) is not { } exif ? null : exif.Length <= LargestExif ? exif
        : throw new MuralException($"The texts of the picture fill {exif.Length} bytes, but JPEG and WebP have room for {LargestExif}: write it as PNG.");

    private static Image WithExif(Image image, PictureMetadata metadata)
    {
        if (Exif(metadata) is not { } exif) return image.Copy();
        return image.Mutate(mutable => mutable.Set(GValue.BlobType, "exif-data", exif));
    }

    private static void Check(Picture picture, PictureFormat format, PictureWriteOptions options)
    {
        if (options.Quality is < 1 or > 100) throw new MuralException($"The quality {options.Quality} is not between 1 and 100.");
        if (options.Compression is < 0 or > 9) throw new MuralException($"The compression {options.Compression} is not between 0 and 9.");
        CheckSize(format, picture.Width, picture.Height);
    }

    private static void CheckSize(PictureFormat format, int width, int height)
    {
        int largest = format switch { PictureFormat.Jpeg => 65_535, PictureFormat.WebP => 16_383, _ => int.MaxValue };
        if (width > largest || height > largest)
            throw new MuralException($"A picture of {width}x{height} pixels is too large for {format}, whose sides end at {largest}: write it as PNG.");
    }
}
