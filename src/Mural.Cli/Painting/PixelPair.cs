using System.CommandLine;
using System.Globalization;

namespace Mural.Cli.Painting;

/// <summary>Options of two whole numbers of pixels, such as 256x384 and 0,128.</summary>
internal static class PixelPair
{
    /// <summary>The two numbers of a text, or null where it holds something else.</summary>
    internal static (int First, int Second)? Read(string? text, char separator) => text?.Split(separator) is [var first, var second]
        && int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out int x)
        && int.TryParse(second, NumberStyles.None, CultureInfo.InvariantCulture, out int y)
        ? (x, y)
        : null;

    /// <summary>An option whose text <paramref name="read"/> understands.</summary>
    /// <param name="name">The option.</param>
    /// <param name="description">What it is for.</param>
    /// <param name="form">What stands for its value in the help.</param>
    /// <param name="takes">What it takes, for the message where the text is something else.</param>
    /// <param name="read">Null where it is.</param>
    internal static Option<T?> Option<T>(string name, string description, string form, string takes, Func<string, T?> read) where T : struct => new(name)
    {
        Description = description,
        HelpName = form,
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (read(text) is { } value) return value;
            result.AddError($"{name} takes {takes}, not '{text}'");
            return null;
        },
    };
}
