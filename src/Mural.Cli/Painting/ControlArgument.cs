namespace Mural.Cli.Painting;

/// <summary>What <c>--control</c> says of one ControlNet.</summary>
/// <param name="Type">Folder or file of the ControlNet, or part of the name of one among the models.</param>
/// <param name="Image">The map.</param>
/// <param name="Scale">How strongly it is followed.</param>
/// <param name="Start">Share of the run after which it is followed.</param>
/// <param name="End">Share of the run up to which it is followed.</param>
/// <param name="Guess">Whether the map speaks for itself.</param>
internal sealed record ControlArgument(string Type, string Image, double Scale, double Start, double End, bool Guess)
{
    /// <exception cref="MuralException">The text is not of that form.</exception>
    internal static ControlArgument Parse(string text)
    {
        KeyValues values = KeyValues.Parse("--control", text, ["type", "image", "scale", "start", "end", "guess"]);
        return new ControlArgument(
            values.Required("type"), values.Required("image"), values.Number("scale") ?? 1, values.Number("start") ?? 0, values.Number("end") ?? 1, values.Flag("guess"));
    }
}
