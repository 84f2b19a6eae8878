using Mural.Checkpoints;
using NetVips;

namespace Mural.Imaging;

/// <summary>Writes pictures from files of raw RGB rows, a few rows at a time: the memory that takes does not grow with their height.</summary>
internal static class PictureRows
{
    // The signature and the header chunk, behind which texts stand.
    private const int HeaderBytes = 8 + PngChunk.Overhead + 13;

    private const string Tiff = ".tif", LongTiff = ".tiff";

    /// <summary>Whether a name is one of a TIFF file.</summary>
    internal static bool IsTiff(string path) => Path.GetExtension(path).ToLowerInvariant() is Tiff or LongTiff;

    /// <summary>Writes a PNG or TIFF file beside its place and renames it.</summary>
    /// <param name="path">The file; its extension chooses the format.</param>
    /// <param name="raw">8-bit RGB samples, row after row.</param>
    /// <param name="width">Width in pixels.</param>
    /// <param name="height">Height in pixels.</param>
    /// <param name="metadata">Texts: all of them in PNG, the parameters as the description of a TIFF.</param>
    /// <exception cref="MuralException">The file cannot be written.</exception>
    internal static void Write(string path, string raw, int width, int height, PictureMetadata metadata)
    {
        try
        {
            using WritingFolder writing = WritingFolder.Beside(AtomicFile.Resolve(path));
            string encoded = Path.Combine(writing.Folder, "encoded");
            using Image picture = Open(raw, width, height);
            if (IsTiff(path))
            {
                using Image described = metadata.Parameters is { } text ? picture.Mutate(image => image.Set(GValue.GStrType, "image-description", text)) : picture.Copy();
                described.Tiffsave(
                    encoded, compression: Enums.ForeignTiffCompression.Deflate, predictor: Enums.ForeignTiffPredictor.Horizontal, bigtiff: (long)width * height > 1 << 30);
                // What it was made from is often deleted next.
                AtomicFile.Flush(encoded);
                AtomicFile.Commit(encoded, path);
                return;
            }
            picture.Pngsave(encoded, keep: Enums.ForeignKeep.None);
            using FileStream file = File.OpenRead(encoded);
            string staged = AtomicFile.Stage(path, 0, target => CopyWithTexts(file, target, metadata), writing.Folder);
            AtomicFile.Commit(staged, path);
        }
        catch (Exception error) when (error is VipsException or IOException or UnauthorizedAccessException)
        {
            throw new MuralException(
                $"The picture of {width}x{height} pixels cannot be written to {path} ({VipsSetup.FirstLine(error.Message)}); choose another place or free some space.", error);
        }
    }

    /// <summary>The picture in a file of raw RGB rows, read from top to bottom.</summary>
    internal static Image Open(string raw, int width, int height)
    {
        VipsSetup.EnsureReady();
        using Image samples = Image.Rawload(raw, width, height, 3, access: Enums.Access.Sequential);
        return samples.Copy(interpretation: Enums.Interpretation.Srgb);
    }

    private static void CopyWithTexts(Stream file, Stream target, PictureMetadata metadata)
    {
        byte[] header = new byte[HeaderBytes];
        file.ReadExactly(header);
        target.Write(header);
        foreach (PictureText text in metadata.Texts) PngText.Write(target, text, compress: false);
        file.CopyTo(target);
    }
}
