namespace Mural.DiM;

/// <summary>Which pad token fills which cell outside the image (spec dim.md 1.4). The image stands at the top left of the padded grid.</summary>
internal static class PadCells
{
    /// <summary>Index of the pad token at a cell to the right of the image or below it.</summary>
    internal static int Token(PadLayout layout, TokenGrid image, int padLength, int row, int column)
    {
        if (row < image.Rows) return column - image.Columns;
        int below = row - image.Rows;
        if (layout == PadLayout.Lateral) return below;
        // Pad cells count through the padded grid row by row; each image row before holds padLength of them, which changes nothing modulo padLength.
        return (below * (image.Columns + padLength) + column) % padLength;
    }

    /// <summary>Pad tokens of the rows below the image, corner included, row by row.</summary>
    internal static int[] Bottom(PadLayout layout, TokenGrid image, int padLength)
    {
        TokenGrid padded = image.Padded(padLength);
        int[] tokens = new int[padLength * padded.Columns];
        for (int cell = 0; cell < tokens.Length; cell++)
            tokens[cell] = Token(layout, image, padLength, image.Rows + cell / padded.Columns, cell % padded.Columns);
        return tokens;
    }
}
