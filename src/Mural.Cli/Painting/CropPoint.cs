using System.CommandLine;
using System.Globalization;

namespace Mural.Cli.Painting;

/// <summary>Where a crop begins in pixels, written 0,128.</summary>
internal readonly record struct CropPoint(int Left, int Top)
{
    /// <summary>An option that takes such a point.</summary>
    internal static Option<CropPoint?> Option(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "X,Y",
        CustomParser = result =>
        {
            if (Read(result.Tokens[0].Value) is { } point) return point;
            result.AddError($"{name} takes pixels from the left and from the top such as 0,128, not '{result.Tokens[0].Value}'");
            return null;
        },
    };

    /// <summary>The point that a text tells, or null where it tells none.</summary>
    internal static CropPoint? Read(string? text) => text?.Split(',') is [var left, var top]
        && int.TryParse(left, NumberStyles.None, CultureInfo.InvariantCulture, out int x) && int.TryParse(top, NumberStyles.None, CultureInfo.InvariantCulture, out int y) ? new CropPoint(x, y) : null;
}
