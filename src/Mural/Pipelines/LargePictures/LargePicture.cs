using Mural.Imaging;

namespace Mural.Pipelines;

/// <summary>A finished large picture. Its pixels lie in a file of stages and are read as they are needed.</summary>
public sealed class LargePicture : IDisposable
{
    private readonly StageFolder _folder;
    private readonly RgbFile _pixels;

    internal LargePicture(StageFolder folder, LargePicturePlan plan)
    {
        (_folder, Plan) = (folder, plan);
        _pixels = folder.Open(plan.Stages.Count - 1);
    }

    /// <summary>How it was painted.</summary>
    public LargePicturePlan Plan { get; }

    /// <summary>Width in pixels.</summary>
    public int Width => _pixels.Width;

    /// <summary>Height in pixels.</summary>
    public int Height => _pixels.Height;

    /// <summary>How it was made, in the words of stable-diffusion-webui; the settings of its enlargement are among the others.</summary>
    public GenerationParameters Parameters => LargePictureParameters.Of(Plan);

    /// <summary>The picture in memory.</summary>
    /// <exception cref="MuralException">It is too large for one array.</exception>
    public Picture ToPicture() => _pixels.Read(0, Height);

    /// <summary>Writes the picture to a file: PNG and TIFF row by row, in little memory, JPEG and WebP from memory.</summary>
    /// <param name="path">The file, whose extension chooses the format.</param>
    /// <param name="metadata">Texts to store.</param>
    /// <exception cref="MuralException">The file cannot be written, or the format does not hold such a picture.</exception>
    public void Save(string path, PictureMetadata? metadata = null)
    {
        if (InRows(path)) PictureRows.Write(path, _pixels.Path, Width, Height, metadata ?? PictureMetadata.Empty);
        else PictureWriter.Write(path, ToPicture(), null, metadata);
    }

    /// <summary>
    /// Writes a pyramid of tiles in the layout of Deep Zoom, which viewers in a browser load piece by piece: <c>NAME.dzi</c> and <c>NAME_files</c>, in place of those of an earlier
    /// one.
    /// </summary>
    /// <param name="path">Where, without an extension.</param>
    /// <exception cref="MuralException">It cannot be written, or NAME_files is there and belongs to no pyramid.</exception>
    public void SaveDeepZoom(string path) => DeepZoomFiles.Write(path, _pixels.Path, Width, Height);

    /// <summary>Tells whether <see cref="Save"/> would find room in a format, before the hours that painting takes.</summary>
    /// <exception cref="MuralException">The format does not hold such a picture.</exception>
    internal static void Check(string path, LargePicturePlan plan, PictureMetadata metadata)
    {
        if (!InRows(path)) PictureWriter.Check(PictureFormats.FromExtension(path), plan.Width, plan.Height, metadata);
    }

    /// <summary>Deletes the stages, this picture with them, and their folder unless something else is in it.</summary>
    public void DeleteStages()
    {
        _pixels.Dispose();
        _folder.Delete();
    }

    /// <summary>Closes the file and lets go of the folder, so that another run can use it.</summary>
    public void Dispose()
    {
        _pixels.Dispose();
        _folder.Dispose();
    }

    private static bool InRows(string path) => PictureRows.IsTiff(path) || PictureFormats.FromExtension(path) == PictureFormat.Png;
}
