namespace Mural.Imaging;

/// <summary>The texts of a picture file: how it was made.</summary>
public sealed record PictureMetadata
{
    /// <summary>Keyword of the text that stable-diffusion-webui and its relatives read and write (spec 9.1).</summary>
    public const string ParametersKeyword = "parameters";

    /// <summary>Keyword of Mural's own text: a JSON object with everything needed to repeat the picture.</summary>
    public const string MuralKeyword = "mural";

    /// <summary>No texts.</summary>
    public static PictureMetadata Empty { get; } = new();

    /// <summary>All texts in the file's order. JPEG and WebP have room for two: <see cref="Parameters"/> and <see cref="MuralJson"/>.</summary>
    public IReadOnlyList<PictureText> Texts { get; init; } = [];

    /// <summary>The text under <see cref="ParametersKeyword"/>; null where there is none.</summary>
    public string? Parameters => Find(ParametersKeyword);

    /// <summary>The text under <see cref="MuralKeyword"/>; null where there is none.</summary>
    public string? MuralJson => Find(MuralKeyword);

    /// <summary>Metadata with the two texts that Mural writes.</summary>
    /// <param name="parameters">What other programs read; left out where null.</param>
    /// <param name="muralJson">Everything needed to repeat the picture, as JSON; left out where null.</param>
    public static PictureMetadata Of(GenerationParameters? parameters, string? muralJson)
    {
        var texts = new List<PictureText>();
        if (parameters is not null) texts.Add(new PictureText(ParametersKeyword, parameters.Format()));
        if (muralJson is not null) texts.Add(new PictureText(MuralKeyword, muralJson));
        return new PictureMetadata { Texts = texts };
    }

    private string? Find(string keyword) => Texts.FirstOrDefault(text => text.Keyword == keyword)?.Text;
}
