using Mural.Imaging;

namespace Mural.Cli.Painting;

/// <summary>What is seen of a picture while it is painted, in a file beside that of the picture; gone once the run ends.</summary>
/// <param name="picture">The picture's file.</param>
internal sealed class PreviewFile(string picture) : IDisposable
{
    private readonly string _path = Path.ChangeExtension(picture, ".preview.png");
    private bool _written;

    /// <summary>Shows the newest.</summary>
    internal void Show(Picture preview)
    {
        PictureWriter.Write(_path, preview);
        _written = true;
    }

    public void Dispose()
    {
        if (!_written) return;
        try
        {
            File.Delete(_path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The picture matters more than a leftover that cannot be removed.
        }
    }
}
