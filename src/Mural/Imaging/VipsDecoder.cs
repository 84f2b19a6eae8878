using NetVips;

namespace Mural.Imaging;

/// <summary>Decodes a file in memory through libvips to 8-bit sRGB, upright.</summary>
internal static class VipsDecoder
{
    private const string Profile = "icc-profile-data";
    private const string Exif = "exif-data";

    /// <summary>Reads a file's pixels after its header has passed the limits.</summary>
    /// <param name="name">What messages call the picture.</param>
    /// <param name="file">The whole file.</param>
    /// <param name="format">Its format; only that decoder is tried.</param>
    /// <param name="limits">What the header may claim.</param>
    /// <exception cref="DamagedFileException">libvips cannot decode the file.</exception>
    /// <exception cref="MuralException">The picture is larger than the limits.</exception>
    internal static Picture Decode(string name, byte[] file, PictureFormat format, ImageLimits limits)
    {
        return Opened(name, file, format, limits, header =>
        {
            using Image upright = header.Autorot();
            using Image colours = ToSrgb(upright);
            using Image bytes = ToBytes(colours);
            using Image picture = ToKnownChannels(bytes);
            return new Picture(picture.Width, picture.Height, picture.Bands, picture.WriteToMemory<byte>());
        });
    }

    /// <summary>Reads the header and the texts of a JPEG or WebP file.</summary>
    /// <exception cref="DamagedFileException">libvips cannot read the header.</exception>
    /// <exception cref="MuralException">The picture or its texts are larger than the limits.</exception>
    internal static PictureInfo Identify(string name, byte[] file, PictureFormat format, ImageLimits limits) => Opened(name, file, format, limits, header =>
    {
        byte[] exif = header.Contains(Exif) ? (byte[])header.Get(Exif) : [];
        if (exif.Length > limits.MaxTextBytes)
            throw new MuralException($"The texts of {name} fill {exif.Length} bytes, but {limits.MaxTextBytes} is the limit: raise it where the file can be trusted.");
        return new PictureInfo(format, header.Width, header.Height, new PictureMetadata { Texts = ExifText.Read(exif) });
    });

    private static T Opened<T>(string name, byte[] file, PictureFormat format, ImageLimits limits, Func<Image, T> read)
    {
        VipsSetup.EnsureReady();
        try
        {
            using Image header = Open(file, format);
            limits.Check(name, header.Width, header.Height);
            return read(header);
        }
        catch (VipsException exception)
        {
            throw new DamagedFileException($"libvips cannot decode it ({VipsSetup.FirstLine(exception.Message)})", exception);
        }
    }

    // The header only; pixels are decoded when they are asked for.
    private static Image Open(byte[] file, PictureFormat format) => format switch
    {
        PictureFormat.Png => Image.PngloadBuffer(file, failOn: Enums.FailOn.Error),
        PictureFormat.Jpeg => Image.JpegloadBuffer(file, failOn: Enums.FailOn.Error),
        _ => Image.WebploadBuffer(file, failOn: Enums.FailOn.Error),
    };

    private static Image ToSrgb(Image image)
    {
        bool inks = image.Interpretation == Enums.Interpretation.Cmyk;
        if (inks || (image.Contains(Profile) && !IccProfiles.IsSrgb((byte[])image.Get(Profile))))
        {
            try
            {
                using Image converted = image.IccTransform("srgb", embedded: true, depth: 8);
                return converted.CopyMemory();
            }
            catch (VipsException) when (!inks)
            {
                // A broken profile says nothing about the colours, so they are taken as sRGB, as viewers do.
            }
        }
        return image.Copy();
    }

    // Of 16-bit samples the high byte is kept, as Pillow does; libpng would round.
    private static Image ToBytes(Image image) => image.Format switch
    {
        Enums.BandFormat.Uchar => image.Copy(),
        Enums.BandFormat.Ushort => image.Cast(Enums.BandFormat.Uchar, shift: true),
        _ => image.Colourspace(Enums.Interpretation.Srgb),
    };

    // Grey with alpha becomes RGB with alpha: a picture has 1, 3 or 4 channels.
    private static Image ToKnownChannels(Image image)
    {
        if (image.Bands != 2) return image.Copy();
        using Image grey = image[0], alpha = image[1];
        return grey.Bandjoin(grey, grey, alpha);
    }
}
