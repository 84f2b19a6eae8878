namespace Mural.DiM;

/// <summary>The four orders in which blocks read the padded grid (spec dim.md 1.5).</summary>
internal enum ScanDirection
{
    /// <summary>RF: row by row, from the top left.</summary>
    RowForward,

    /// <summary>RB: <see cref="RowForward"/> from its end.</summary>
    RowBackward,

    /// <summary>CF: column by column, from the top left.</summary>
    ColumnForward,

    /// <summary>CB: <see cref="ColumnForward"/> from its end.</summary>
    ColumnBackward,
}
