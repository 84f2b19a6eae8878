using TorchSharp;
using static TorchSharp.torch;

namespace Mural.DiM;

/// <summary>The learned position table: a row for the time token, one for the class token, one for each image token (spec dim.md 1.2).</summary>
internal static class PositionTable
{
    private const int ExtraRows = 2;

    /// <summary>The table for a grid of tokens; as it is where the number of tokens agrees, unless <paramref name="resize"/> asks for interpolation.</summary>
    /// <param name="table">Shape: `[1, 2 + M, D]`.</param>
    /// <param name="trained">The grid that the table's rows stand for.</param>
    /// <param name="grid">The grid wanted.</param>
    /// <param name="resize">Interpolate where only the count agrees.</param>
    /// <returns>Shape: `[1, 2 + H·W, D]`.</returns>
    internal static Tensor For(Tensor table, TokenGrid trained, TokenGrid grid, bool resize) =>
        trained == grid || (!resize && trained.Count == grid.Count) ? table.alias() : Resize(table, trained, grid);

    /// <summary>Bilinear, align_corners = false, no antialias; the two extra rows are kept. In float32.</summary>
    internal static Tensor Resize(Tensor table, TokenGrid from, TokenGrid to)
    {
        using DisposeScope scope = NewDisposeScope();
        long width = table.shape[2];
        Tensor extra = table.narrow(1, 0, ExtraRows);
        Tensor image = table.narrow(1, ExtraRows, from.Count).reshape(1, from.Rows, from.Columns, width).permute(0, 3, 1, 2);
        Tensor resized = nn.functional.interpolate(image.to(ScalarType.Float32), size: [to.Rows, to.Columns], mode: InterpolationMode.Bilinear, align_corners: false);
        Tensor rows = resized.permute(0, 2, 3, 1).reshape(1, to.Count, width).to(table.dtype);
        return cat([extra, rows], 1).MoveToOuterDisposeScope();
    }

    /// <summary>The grid that the official code takes a table of unknown origin for: ⌊√M⌋ rows. Null where that leaves a remainder or nothing.</summary>
    internal static TokenGrid? GridOf(long rowsOfTable)
    {
        long tokens = rowsOfTable - ExtraRows;
        if (tokens is < 1 or > int.MaxValue) return null;
        int rows = (int)Math.Sqrt(tokens);
        return tokens % rows == 0 ? new TokenGrid(rows, (int)(tokens / rows)) : null;
    }
}
