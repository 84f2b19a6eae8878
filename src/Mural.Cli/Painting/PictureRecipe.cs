using System.Text.Encodings.Web;
using System.Text.Json;
using Mural.Imaging;

namespace Mural.Cli.Painting;

/// <summary>Everything needed to paint a picture again, as its file carries it. On the same machine the same bits come out.</summary>
internal sealed record PictureRecipe
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Version of Mural.</summary>
    public required string Mural { get; init; }

    /// <summary>The model's name.</summary>
    public required string Model { get; init; }

    /// <summary>Hash of the model's weights.</summary>
    public required string ModelHash { get; init; }

    /// <summary>The prompt as it was given.</summary>
    public required string Prompt { get; init; }

    /// <summary>Width in pixels before upscaling.</summary>
    public required int Width { get; init; }

    /// <summary>Height in pixels before upscaling.</summary>
    public required int Height { get; init; }

    /// <summary>How many times larger it was painted.</summary>
    public required int Upscale { get; init; }

    /// <summary>The share of the time in which the small picture led, where it was painted larger.</summary>
    public double? UpscaleShare { get; init; }

    /// <summary>Sampling steps.</summary>
    public required int Steps { get; init; }

    /// <summary>Guidance scale in the common convention.</summary>
    public required double Guidance { get; init; }

    /// <summary>The picture's own seed.</summary>
    public required ulong Seed { get; init; }

    /// <summary>The device it was painted on.</summary>
    public required string Device { get; init; }

    /// <summary>The number format.</summary>
    public required string Precision { get; init; }

    /// <summary>The kernels.</summary>
    public required string Kernels { get; init; }

    /// <summary>Threads, on which the order of some sums depends.</summary>
    public required int Threads { get; init; }

    internal string ToJson() => JsonSerializer.Serialize(this, Options);

    /// <summary>Whether a picture carries a recipe.</summary>
    /// <exception cref="MuralException">The file is no picture.</exception>
    internal static bool IsIn(string path) => PictureReader.Identify(path).Metadata.MuralJson is not null;

    /// <summary>The recipe that a picture carries.</summary>
    /// <exception cref="MuralException">The file is no picture, or none of Mural's.</exception>
    internal static PictureRecipe Of(string path)
    {
        string json = PictureReader.Identify(path).Metadata.MuralJson
            ?? throw new MuralException($"{path} does not say how Mural painted it: only pictures that Mural wrote with their metadata can be repeated.");
        try
        {
            return JsonSerializer.Deserialize<PictureRecipe>(json, Options) ?? throw new JsonException("it is empty");
        }
        catch (JsonException exception)
        {
            throw new MuralException($"{path} carries a recipe that cannot be read ({exception.Message}): it comes from another version of Mural or was changed.", exception);
        }
    }
}
