using System.Text.Json;
using System.Text.Json.Nodes;
using Mural.Cli.CommandLine;
using Mural.Imaging;

namespace Mural.Cli.Inspection;

/// <summary>What <c>mural inspect</c> says of a picture.</summary>
internal sealed record PictureReport
{
    public string Kind { get; } = "picture";

    public required string Path { get; init; }

    public required string Format { get; init; }

    public required int Width { get; init; }

    public required int Height { get; init; }

    /// <summary>How the picture was made, in the words that many programs share.</summary>
    public required string? Parameters { get; init; }

    /// <summary>What Mural needs to make it again.</summary>
    public required JsonNode? Mural { get; init; }

    /// <summary>All other texts.</summary>
    public required IReadOnlyList<PictureText> Texts { get; init; }

    internal static PictureReport Of(string path)
    {
        PictureInfo info = PictureReader.Identify(path);
        return new PictureReport
        {
            Path = path,
            Format = info.Format.ToString(),
            Width = info.Width,
            Height = info.Height,
            Parameters = info.Metadata.Parameters,
            Mural = Parse(info.Metadata.MuralJson),
            Texts = [.. info.Metadata.Texts.Where(text => text.Keyword is not (PictureMetadata.ParametersKeyword or PictureMetadata.MuralKeyword))],
        };
    }

    internal IEnumerable<string> Lines()
    {
        yield return Path;
        yield return $"{Format}, {Width}x{Height} pixels";
        if (Parameters is not null) yield return $"parameters: {Parameters}";
        if (Mural is not null) yield return $"mural: {JsonOutput.Write(Mural)}";
        foreach (PictureText text in Texts) yield return $"{text.Keyword}: {text.Text}";
    }

    // A text under our name that is not JSON is shown as it is.
    private static JsonNode? Parse(string? json)
    {
        try
        {
            return json is null ? null : JsonNode.Parse(json);
        }
        catch (JsonException)
        {
            return JsonValue.Create(json);
        }
    }
}
