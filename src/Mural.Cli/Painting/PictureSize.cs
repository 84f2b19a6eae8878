using System.CommandLine;
using System.Globalization;

namespace Mural.Cli.Painting;

/// <summary>Width and height in pixels, written 256x384.</summary>
internal readonly record struct PictureSize(int Width, int Height)
{
    /// <summary>An option that takes a size.</summary>
    internal static Option<PictureSize?> Option(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "WxH",
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (TryParse(text, out PictureSize size)) return size;
            result.AddError($"{name} takes a width and a height such as 256x384, not '{text}'");
            return null;
        },
    };

    /// <summary>The size that a text tells, or null where it tells none.</summary>
    internal static PictureSize? Read(string? text) => text is not null && TryParse(text, out PictureSize size) ? size : null;

    private static bool TryParse(string text, out PictureSize size)
    {
        string[] sides = text.ToLowerInvariant().Split('x');
        size = default;
        if (sides.Length != 2
            || !int.TryParse(sides[0], NumberStyles.None, CultureInfo.InvariantCulture, out int width)
            || !int.TryParse(sides[1], NumberStyles.None, CultureInfo.InvariantCulture, out int height)
            || width == 0 || height == 0) return false;
        size = new PictureSize(width, height);
        return true;
    }
}
