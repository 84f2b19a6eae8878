using System.Text;

namespace Mural.Text;

/// <summary>CLIP's printable character for each byte: its vocabulary holds texts whose every character stands for one byte of UTF-8 (spec 4.4).</summary>
internal static class ByteCharacters
{
    private static readonly char[] Characters = Build();

    /// <summary>The 256 characters in the order of the vocabulary's first ids: printable bytes as themselves first, then the others in U+0100 and up.</summary>
    internal static IEnumerable<char> InVocabularyOrder =>
        Enumerable.Range(0, 256).OrderBy(value => IsPrintable(value) ? 0 : 1).Select(value => Characters[value]);

    /// <summary>The characters that stand for the UTF-8 bytes of a text.</summary>
    internal static string Of(string text) => string.Concat(Encoding.UTF8.GetBytes(text).Select(value => Characters[value]));

    private static bool IsPrintable(int value) => value is (>= 33 and <= 126) or (>= 161 and <= 172) or >= 174;

    private static char[] Build()
    {
        var characters = new char[256];
        int other = 0x100;
        for (int value = 0; value < 256; value++) characters[value] = (char)(IsPrintable(value) ? value : other++);
        return characters;
    }
}
