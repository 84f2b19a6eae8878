namespace Mural.Checkpoints;

/// <summary>Text from a file, made fit for a message: short and without control characters.</summary>
internal static class Quote
{
    private const int Shown = 120;

    internal static string Name(string text)
    {
        string shown = text.Length <= Shown ? text : text[..Shown] + "…";
        return "'" + string.Create(shown.Length, shown, (span, from) =>
        {
            for (int i = 0; i < span.Length; i++) span[i] = char.IsControl(from[i]) ? '?' : from[i];
        }) + "'";
    }
}
