using System.Text;

namespace Mural.Training.Data;

/// <summary>Comma-separated lines with fields in double quotes where they need it (RFC 4180).</summary>
internal static class Csv
{
    internal static IEnumerable<string[]> Read(string path)
    {
        using var reader = new StreamReader(path);
        var fields = new List<string>();
        var field = new StringBuilder();
        bool quoted = false;
        while (reader.ReadLine() is string line)
        {
            if (!quoted && line.Length == 0) continue;
            if (quoted) field.Append('\n');
            for (int i = 0; i < line.Length; i++)
            {
                char c = line[i];
                if (quoted && c == '"' && i + 1 < line.Length && line[i + 1] == '"')
                {
                    field.Append('"');
                    i++;
                }
                else if (c == '"') quoted = !quoted;
                else if (c == ',' && !quoted)
                {
                    fields.Add(field.ToString());
                    field.Clear();
                }
                else field.Append(c);
            }
            if (quoted) continue;
            fields.Add(field.ToString());
            field.Clear();
            yield return [.. fields];
            fields.Clear();
        }
        if (quoted) throw new MuralException($"'{path}' ends inside a quoted field; a closing \" is expected.");
    }
}
