using System.CommandLine;

namespace Mural.Cli.Painting;

/// <summary>Width and height in pixels, written 256x384.</summary>
internal readonly record struct PictureSize(int Width, int Height)
{
    /// <summary>An option that takes a size.</summary>
    internal static Option<PictureSize?> Option(string name, string description) =>
        PixelPair.Option<PictureSize>(name, description, "WxH", "a width and a height such as 256x384", Read);

    /// <summary>The size that a text tells, or null where it tells none.</summary>
    internal static PictureSize? Read(string? text) => PixelPair.Read(text?.ToLowerInvariant(), 'x') is var (width, height) && width > 0 && height > 0
        ? new PictureSize(width, height)
        : null;
}
