using System.Globalization;

namespace Mural.Imaging;

/// <summary>A colour of three 8-bit sRGB samples.</summary>
/// <param name="Red">Red, 0 to 255.</param>
/// <param name="Green">Green, 0 to 255.</param>
/// <param name="Blue">Blue, 0 to 255.</param>
public readonly record struct Rgb(byte Red, byte Green, byte Blue)
{
    /// <summary>White.</summary>
    public static Rgb White => new(255, 255, 255);

    /// <summary>Black.</summary>
    public static Rgb Black => new(0, 0, 0);

    /// <summary>Reads <c>white</c>, <c>black</c>, <c>grey</c> or <c>#rrggbb</c>.</summary>
    /// <exception cref="MuralException">The text is neither.</exception>
    public static Rgb Parse(string text)
    {
        string value = text.Trim();
        if (value.Equals("white", StringComparison.OrdinalIgnoreCase)) return White;
        if (value.Equals("black", StringComparison.OrdinalIgnoreCase)) return Black;
        if (value.Equals("grey", StringComparison.OrdinalIgnoreCase) || value.Equals("gray", StringComparison.OrdinalIgnoreCase)) return new(128, 128, 128);
        if (value.Length == 7 && value[0] == '#' && uint.TryParse(value.AsSpan(1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint bits))
            return new((byte)(bits >> 16), (byte)(bits >> 8), (byte)bits);
        throw new MuralException($"The colour '{text}' is not known: give white, black, grey or six hexadecimal digits such as #ff8800.");
    }

    /// <summary>The colour as <c>#rrggbb</c>.</summary>
    public override string ToString() => $"#{Red:x2}{Green:x2}{Blue:x2}";
}
