using System.Globalization;
using System.Reflection;
using System.Text;

namespace Mural.Text;

/// <summary>
/// Unicode's normalisation form C. .NET leaves text as it is where globalisation is invariant, as it is in containers without ICU, and the same prompt
/// must give the same tokens everywhere.
/// </summary>
internal static class UnicodeNfc
{
    // The first code point that a neighbour can change, or that changes by itself.
    private const int FirstUnstable = 0x300;

    private const int Syllables = 0xAC00, SyllableCount = 11172, Leads = 0x1100, LeadCount = 19, Vowels = 0x1161, VowelCount = 21, Tails = 0x11A7, TailCount = 28;

    private static readonly Lazy<Data> Tables = new(Data.Read);

    /// <summary>The text with all that can be composed composed; a surrogate without its partner becomes U+FFFD.</summary>
    internal static string Normalize(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange('\0', (char)(FirstUnstable - 1))) return text;
        var points = new List<int>(text.Length);
        foreach (Rune rune in text.EnumerateRunes()) Decompose(rune.Value, points);
        Order(points);
        var result = new StringBuilder(text.Length);
        Span<char> units = stackalloc char[2];
        foreach (int point in Compose(points)) result.Append(units[..new Rune(point).EncodeToUtf16(units)]);
        return result.ToString();
    }

    private static void Decompose(int point, List<int> result)
    {
        int syllable = point - Syllables;
        if (syllable is >= 0 and < SyllableCount)
        {
            result.Add(Leads + syllable / (VowelCount * TailCount));
            result.Add(Vowels + syllable / TailCount % VowelCount);
            if (syllable % TailCount != 0) result.Add(Tails + syllable % TailCount);
        }
        else if (point >= 0xC0 && Tables.Value.Decompositions.TryGetValue(point, out (int First, int Second) parts))
        {
            Decompose(parts.First, result);
            if (parts.Second != 0) Decompose(parts.Second, result);
        }
        else
        {
            result.Add(point);
        }
    }

    // Marks in a row are sorted by their class, those of one class staying as they are.
    private static void Order(List<int> points)
    {
        for (int start = 0; start < points.Count; start++)
        {
            int end = start;
            while (end < points.Count && Class(points[end]) != 0) end++;
            if (end - start < 2) continue;
            int[] sorted = [.. points.Skip(start).Take(end - start).OrderBy(Class)];
            for (int i = 0; i < sorted.Length; i++) points[start + i] = sorted[i];
            start = end;
        }
    }

    private static List<int> Compose(List<int> points)
    {
        var result = new List<int>(points.Count);
        int starter = -1, lastClass = 0;
        foreach (int point in points)
        {
            int ownClass = Class(point);
            bool blocked = starter < 0 || (result.Count - 1 > starter && lastClass >= ownClass);
            if (!blocked && Composed(result[starter], point) is { } composed)
            {
                result[starter] = composed;
                continue;
            }
            if (ownClass == 0) starter = result.Count;
            lastClass = ownClass;
            result.Add(point);
        }
        return result;
    }

    private static int? Composed(int first, int second)
    {
        if (first is >= Leads and < Leads + LeadCount && second is >= Vowels and < Vowels + VowelCount)
            return Syllables + ((first - Leads) * VowelCount + second - Vowels) * TailCount;
        bool openSyllable = first is >= Syllables and < Syllables + SyllableCount && (first - Syllables) % TailCount == 0;
        if (openSyllable && second is > Tails and < Tails + TailCount) return first + second - Tails;
        return Tables.Value.Compositions.TryGetValue((first, second), out int composed) ? composed : null;
    }

    private static int Class(int point) => point < FirstUnstable ? 0 : Tables.Value.Classes.GetValueOrDefault(point);

    private sealed class Data
    {
        internal Dictionary<int, (int First, int Second)> Decompositions { get; } = [];

        internal Dictionary<(int First, int Second), int> Compositions { get; } = [];

        internal Dictionary<int, int> Classes { get; } = [];

        internal static Data Read()
        {
            var data = new Data();
            using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("Mural.Text.UnicodeNfc.txt")!;
            using var reader = new StreamReader(stream);
            // The lines up to the first empty one say what the others are.
            while (reader.ReadLine() is { Length: > 0 }) { }
            while (reader.ReadLine() is { } line) data.Add(line);
            return data;
        }

        private void Add(string line)
        {
            string[] fields = line.TrimStart('!', '=').Split(' ');
            int point = Hexadecimal(fields[0]), first = Hexadecimal(fields[1]);
            if (line[0] == '=')
            {
                int combining = int.Parse(fields[2], CultureInfo.InvariantCulture);
                for (int marked = point; marked <= first; marked++) Classes.Add(marked, combining);
                return;
            }
            int second = fields.Length > 2 ? Hexadecimal(fields[2]) : 0;
            Decompositions.Add(point, (first, second));
            if (second != 0 && line[0] != '!') Compositions.Add((first, second), point);
        }

        private static int Hexadecimal(string field) => int.Parse(field, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
