using NetVips;

namespace Mural.Imaging;

/// <summary>Decodes a file in memory through libvips to 8-bit sRGB, upright.</summary>
internal static class VipsDecoder
{
    private const string Profile = "icc-profile-data";

    /// <summary>Reads a file's pixels after its header has passed the limits.</summary>
    /// <param name="name">What messages call the picture.</param>
    /// <param name="file">The whole file.</param>
    /// <param name="format">Its format; only that decoder is tried.</param>
    /// <param name="limits">What the header may claim.</param>
    internal static Picture Decode(string name, byte[] file, PictureFormat format, ImageLimits limits)
    {
        VipsSetup.EnsureReady();
        try
        {
            using Image header = Open(file, format);
            limits.Check(name, header.Width, header.Height);
            using Image upright = header.Autorot();
            using Image colours = ToSrgb(upright);
            using Image bytes = ToBytes(colours);
            using Image picture = ToKnownChannels(bytes);
            return new Picture(picture.Width, picture.Height, picture.Bands, picture.WriteToMemory<byte>());
        }
        catch (VipsException exception)
        {
            throw new MuralException($"{name} cannot be decoded as {format} ({VipsSetup.FirstLine(exception.Message)}): the file is damaged, so get another copy.", exception);
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
