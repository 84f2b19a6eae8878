using Mural.Imaging;

namespace Mural.Report;

/// <summary>A model that paints captions.</summary>
internal interface IPainter : IAsyncDisposable
{
    /// <summary>Names the model's weights.</summary>
    string Identity { get; }

    /// <summary>Whether <see cref="PaintSettings.HiDiffusion"/> means anything to it.</summary>
    bool TakesHiDiffusion { get; }

    Task<Picture> PaintAsync(string caption, long seed, PaintSettings settings);
}
