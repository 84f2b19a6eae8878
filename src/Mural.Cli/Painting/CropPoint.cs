using System.CommandLine;

namespace Mural.Cli.Painting;

/// <summary>Where a crop begins in pixels, written 0,128.</summary>
internal readonly record struct CropPoint(int Left, int Top)
{
    /// <summary>An option that takes such a point.</summary>
    internal static Option<CropPoint?> Option(string name, string description) =>
        PixelPair.Option<CropPoint>(name, description, "X,Y", "pixels from the left and from the top such as 0,128", Read);

    /// <summary>The point that a text tells, or null where it tells none.</summary>
    internal static CropPoint? Read(string? text) => PixelPair.Read(text, ',') is var (left, top) ? new CropPoint(left, top) : null;
}
