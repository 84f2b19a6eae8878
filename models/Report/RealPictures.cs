using Mural.Imaging;
using Mural.Training;
using Mural.Training.Data;

namespace Mural.Report;

/// <summary>Shows real pictures in the place of samples.</summary>
/// <param name="pictures">The pictures, in the order of their seeds.</param>
internal sealed class RealPictures(IReadOnlyList<PictureItem> pictures) : IPainter
{
    public string Identity => ContentHash.Of(pictures.Select(picture => picture.File));

    public bool TakesHiDiffusion => false;

    public Task<Picture> PaintAsync(string caption, long seed, PaintSettings settings) => Task.FromResult(PictureReader.Read(pictures[(int)seed].File));

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
