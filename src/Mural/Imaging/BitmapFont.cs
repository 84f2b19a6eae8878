namespace Mural.Imaging;

/// <summary>
/// Printable ASCII, 5 pixels wide and 8 high (7 and a descender). Sheets look the same on every machine, with or without fonts installed.
/// </summary>
internal static class BitmapFont
{
    /// <summary>Pixels from one line to the next at scale 1: two above the letters are blank.</summary>
    internal const int LineHeight = 10;

    private const int GlyphWidth = 5;
    private const int Advance = 6;
    private const int GlyphHeight = 8;
    private const char First = ' ';
    private const string Ellipsis = "...";

    // Five columns a glyph from left to right; bit 0 is the top row.
    private static readonly byte[] Columns = Convert.FromHexString(
        "0000000000" + "00005F0000" + "0007000700" + "147F147F14" + "242A7F2A12" + "2313086462" + "3649562050" + "0008070300" + // space ! " # $ % & '
        "001C224100" + "0041221C00" + "2A1C7F1C2A" + "08083E0808" + "0080703000" + "0808080808" + "0000606000" + "2010080402" + // ( ) * + , - . /
        "3E5149453E" + "00427F4000" + "7249494946" + "2141494D33" + "1814127F10" + "2745454539" + "3C4A494931" + "4121110907" + // 0 1 2 3 4 5 6 7
        "3649494936" + "464949291E" + "0000140000" + "0040340000" + "0008142241" + "1414141414" + "0041221408" + "0201590906" + // 8 9 : ; < = > ?
        "3E415D594E" + "7C1211127C" + "7F49494936" + "3E41414122" + "7F4141413E" + "7F49494941" + "7F09090901" + "3E41415173" + // @ A B C D E F G
        "7F0808087F" + "00417F4100" + "2040413F01" + "7F08142241" + "7F40404040" + "7F021C027F" + "7F0408107F" + "3E4141413E" + // H I J K L M N O
        "7F09090906" + "3E4151215E" + "7F09192946" + "2649494932" + "03017F0103" + "3F4040403F" + "1F2040201F" + "3F4038403F" + // P Q R S T U V W
        "6314081463" + "0304780403" + "6159494D43" + "007F414141" + "0204081020" + "004141417F" + "0402010204" + "4040404040" + // X Y Z [ \ ] ^ _
        "0003070800" + "2054547840" + "7F28444438" + "3844444428" + "384444287F" + "3854545418" + "00087E0902" + "18A4A49C78" + // ` a b c d e f g
        "7F08040478" + "00447D4000" + "2040403D00" + "7F10284400" + "00417F4000" + "7C04780478" + "7C08040478" + "3844444438" + // h i j k l m n o
        "FC18242418" + "18242418FC" + "7C08040408" + "4854545424" + "04043F4424" + "3C4040207C" + "1C2040201C" + "3C4030403C" + // p q r s t u v w
        "4428102844" + "4C9090907C" + "4464544C44" + "0008364100" + "0000770000" + "0041360800" + "0201020402");             // x y z { | } ~

    // Stands for every character without a glyph.
    private static readonly byte[] Box = Convert.FromHexString("7F4141417F");

    /// <summary>Width in pixels of one line of text.</summary>
    internal static int Width(string text, int scale) => text.Length == 0 ? 0 : (text.Length * Advance - (Advance - GlyphWidth)) * scale;

    /// <summary>The text as one line, cut with an ellipsis to at most <paramref name="width"/> pixels; empty where not even that fits.</summary>
    internal static string Fit(string text, int width, int scale)
    {
        string line = text.ReplaceLineEndings(" ");
        if (Width(line, scale) <= width) return line;
        int letters = (width / scale + Advance - GlyphWidth) / Advance - Ellipsis.Length;
        return letters < 0 ? "" : line[..letters] + Ellipsis;
    }

    /// <summary>Draws one line with its top left corner at (<paramref name="left"/>, <paramref name="top"/>); pixels outside the picture are left out.</summary>
    internal static void Draw(Picture picture, string text, int left, int top, int scale, Rgb ink)
    {
        for (int i = 0; i < text.Length; i++)
        {
            int glyph = text[i] - First;
            ReadOnlySpan<byte> columns = glyph >= 0 && glyph < Columns.Length / GlyphWidth ? Columns.AsSpan(glyph * GlyphWidth, GlyphWidth) : Box;
            for (int column = 0; column < GlyphWidth; column++)
                for (int row = 0; row < GlyphHeight; row++)
                    if ((columns[column] >> row & 1) != 0) Dot(picture, left + (i * Advance + column) * scale, top + row * scale, scale, ink);
        }
    }

    private static void Dot(Picture picture, int left, int top, int size, Rgb ink)
    {
        for (int y = Math.Max(top, 0); y < Math.Min(top + size, picture.Height); y++)
            for (int x = Math.Max(left, 0); x < Math.Min(left + size, picture.Width); x++)
                (picture.Row(y)[3 * x], picture.Row(y)[3 * x + 1], picture.Row(y)[3 * x + 2]) = (ink.Red, ink.Green, ink.Blue);
    }
}
