using Mural.Imaging;

namespace Mural.Training.Data;

/// <summary>Which pictures a run trains on and how they are made equal. Exactly one of <see cref="Folder"/>, <see cref="Index"/> and <see cref="Captions"/> is set.</summary>
public sealed record DataConfig
{
    /// <summary>Folder of pictures, relative to the settings file; the sub-folder that a picture lies in is its label.</summary>
    public string? Folder { get; init; }

    /// <summary>
    /// A JSON-lines or CSV list, relative to the settings file, one picture a line: <c>file</c> (relative to the list), and <c>words</c> (a JSON
    /// array, or words with spaces between) or <c>label</c>; <c>split</c> other than <c>train</c> keeps a picture out of the training.
    /// </summary>
    public string? Index { get; init; }

    /// <summary>A text file with one caption a line, relative to the settings file: a distillation's teacher then samples the pictures itself.</summary>
    public string? Captions { get; init; }

    /// <summary>Side of the square that every picture is resized and cropped to, in pixels.</summary>
    public int Size { get; init; } = 128;

    /// <summary>How pictures of other sizes become that square.</summary>
    public SquareFit Fit { get; init; }

    /// <summary>Colour behind transparent pixels, as <c>#rrggbb</c>.</summary>
    public string Background { get; init; } = "#ffffff";

    /// <summary>Mirrors every second picture, drawn anew each time. Wrong for pictures with letters.</summary>
    public bool Flip { get; init; }

    /// <summary>Folder for the decoded pictures, relative to the settings file; null puts it beside the pictures or the list.</summary>
    public string? Cache { get; init; }

    /// <summary>Share of the pictures that a folder or a list without <c>split</c> keeps out of the training, to measure on, in [0, 0.5].</summary>
    public double HeldOut { get; init; }

    internal void RequirePictures()
    {
        if (Captions is not null) throw new MuralException("The setting 'data.captions' is for distillation; give the pictures in 'data.folder' or 'data.index'.");
    }

    /// <exception cref="MuralException">Pictures of that size have no whole positions in a network that makes them smaller by the factor.</exception>
    internal void RequireMultipleOf(int factor, string network)
    {
        if (Size % factor != 0) throw new MuralException($"The setting 'data.size' is {Size}; a multiple of {factor}, the {network}'s factor, is expected.");
    }

    internal void Check()
    {
        if (new[] { Folder, Index, Captions }.Count(given => given is not null) != 1)
            throw new MuralException("The settings need exactly one of 'data.folder', 'data.index' and, for a distillation, 'data.captions'.");
        Settings.InRange("data.size", Size, 8, 4096);
        Settings.InRange("data.held_out", HeldOut, 0, 0.5);
        _ = Rgb.Parse(Background);
    }
}
