using Mural.Adapters;

namespace Mural.Cli.Painting;

/// <summary>What <c>--ip-adapter</c> says of one picture that the result resembles.</summary>
/// <param name="Model">The adapter's file.</param>
/// <param name="Image">The picture.</param>
/// <param name="Scale">How strongly.</param>
/// <param name="Encoder">Folder of the image encoder, or null to look for it.</param>
internal sealed record PicturePromptArgument(string Model, string Image, double Scale, string? Encoder)
{
    private const string EncoderName = "image_encoder";

    /// <exception cref="MuralException">The text is not of that form.</exception>
    internal static PicturePromptArgument Parse(string text)
    {
        KeyValues values = KeyValues.Parse("--ip-adapter", text, ["model", "image", "scale", "encoder"]);
        return new PicturePromptArgument(values.Required("model"), values.Required("image"), values.Number("scale") ?? 1, values.Optional("encoder"));
    }

    /// <summary>The image encoder's folder: the one named, or that of its usual name beside the adapter, above it, or in the model.</summary>
    /// <param name="modelFolder">The folder of the model that paints.</param>
    /// <exception cref="MuralException">There is none.</exception>
    internal string FindEncoder(string modelFolder)
    {
        if (Encoder is not null)
        {
            if (File.Exists(Encoder))
                throw new MuralException($"{Encoder} is a file, where encoder= takes the folder of an image encoder, with a config.json beside the weights; give such a folder.");
            return Encoder;
        }
        string beside = Path.GetDirectoryName(Path.GetFullPath(Model)) ?? ".", above = Path.GetDirectoryName(beside) ?? beside;
        // In the published repository the encoder of most adapters for SDXL lies with those for SD 1.5.
        string[] places = [Path.Combine(beside, EncoderName), Path.Combine(above, EncoderName), Path.Combine(above, "models", EncoderName), Path.Combine(modelFolder, EncoderName)];
        string[] there = [.. places.Where(place => File.Exists(Path.Combine(place, Checkpoints.ModelFolder.ConfigName))).Distinct()];
        if (there.Length > 1 && File.Exists(Model)) there = [.. there.OrderByDescending(place => IpAdapter.Suits(Model, place))];
        return there.FirstOrDefault() ?? throw new MuralException(
            $"{Model} needs a CLIP image encoder, and there is no folder {EncoderName} beside it; name its folder with encoder=PATH.");
    }
}
