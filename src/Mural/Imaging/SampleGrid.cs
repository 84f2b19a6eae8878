namespace Mural.Imaging;

/// <summary>Lays pictures out on one sheet, with a line of text under each where wanted.</summary>
public sealed record SampleGrid
{
    /// <summary>Pictures in a row; as square a sheet as possible where 0.</summary>
    public int Columns { get; init; }

    /// <summary>Pixels between pictures and around the sheet.</summary>
    public int Margin { get; init; } = 4;

    /// <summary>Colour of the margins and of the labels' ground; transparency shows it too.</summary>
    public Rgb Background { get; init; } = Rgb.White;

    /// <summary>Colour of the labels.</summary>
    public Rgb Ink { get; init; } = Rgb.Black;

    /// <summary>Size of the labels as a multiple of the built-in font's 7 pixels of height.</summary>
    public int TextScale { get; init; } = 1;

    /// <summary>Makes the sheet. Smaller pictures are centred in cells of the largest one's size.</summary>
    /// <param name="pictures">At least one picture, of any size and channels.</param>
    /// <param name="labels">One text a picture, cut with an ellipsis where it is wider than its cell; null for a sheet without labels.</param>
    /// <returns>A picture with three channels.</returns>
    /// <exception cref="ArgumentException">There is no picture, or the labels are not as many.</exception>
    public Picture Tile(IReadOnlyList<Picture> pictures, IReadOnlyList<string>? labels = null)
    {
        if (pictures.Count == 0) throw new ArgumentException("A sheet needs at least one picture.", nameof(pictures));
        if (labels is not null && labels.Count != pictures.Count)
            throw new ArgumentException($"{pictures.Count} labels were expected, {labels.Count} given.", nameof(labels));
        ArgumentOutOfRangeException.ThrowIfNegative(Margin, nameof(Margin));
        ArgumentOutOfRangeException.ThrowIfLessThan(TextScale, 1, nameof(TextScale));

        int columns = Columns > 0 ? Math.Min(Columns, pictures.Count) : (int)Math.Ceiling(Math.Sqrt(pictures.Count));
        int rows = (pictures.Count + columns - 1) / columns;
        int cellWidth = pictures.Max(picture => picture.Width), pictureHeight = pictures.Max(picture => picture.Height);
        int labelHeight = labels is null ? 0 : BitmapFont.LineHeight * TextScale;
        int cellHeight = pictureHeight + labelHeight;

        Picture sheet = Picture.Filled(columns * (cellWidth + Margin) + Margin, rows * (cellHeight + Margin) + Margin, Background);
        for (int i = 0; i < pictures.Count; i++)
        {
            int left = Margin + i % columns * (cellWidth + Margin), top = Margin + i / columns * (cellHeight + Margin);
            Picture picture = pictures[i].ToRgb(Background);
            sheet.Paste(picture, left + (cellWidth - picture.Width) / 2, top + (pictureHeight - picture.Height) / 2);
            if (labels is null) continue;
            string text = BitmapFont.Fit(labels[i], cellWidth, TextScale);
            int indent = (cellWidth - BitmapFont.Width(text, TextScale)) / 2;
            BitmapFont.Draw(sheet, text, left + indent, top + pictureHeight + TextScale, TextScale, Ink);
        }
        return sheet;
    }
}
