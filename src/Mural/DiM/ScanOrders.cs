using System.Collections.Concurrent;
using Mural.Kernels;

namespace Mural.DiM;

/// <summary>Which block scans in which direction, and the tables that say so to the kernels (spec dim.md 1.5).</summary>
internal static class ScanOrders
{
    // A table is a few kilobytes; a process that meets very many sizes starts over.
    private const int TablesKept = 256;

    private static readonly ScanDirection[] Cycle =
        [ScanDirection.RowForward, ScanDirection.RowBackward, ScanDirection.ColumnForward, ScanDirection.ColumnBackward];

    private static readonly ConcurrentDictionary<(TokenGrid Padded, int Front, ScanDirection Direction), ScanOrder> Tables = new();

    /// <summary>
    /// Directions of the blocks: the first half goes through the cycle, the second half mirrors it, so that a long skip arrives in the order of the stream it joins.
    /// </summary>
    /// <param name="blocks">An odd number.</param>
    internal static ScanDirection[] Schedule(int blocks)
    {
        if (blocks < 1 || blocks % 2 == 0)
            throw new MuralException($"A DiM of {blocks} blocks cannot be scheduled; the number must be odd, because the second half mirrors the first.");
        return [.. Enumerable.Range(0, blocks).Select(block => Cycle[Math.Min(block, blocks - 1 - block) % Cycle.Length])];
    }

    /// <summary>Order of a whole sequence: the front tokens stay in front, the padded grid follows in the given direction.</summary>
    /// <returns>The table, or null for <see cref="ScanDirection.RowForward"/>, the order of storage.</returns>
    internal static ScanOrder? Of(TokenGrid padded, int front, ScanDirection direction)
    {
        if (direction == ScanDirection.RowForward) return null;
        if (Tables.Count >= TablesKept) Tables.Clear();
        return Tables.GetOrAdd((padded, front, direction), static key =>
        {
            int[] cells = Cells(key.Padded, key.Direction);
            return new ScanOrder([.. Enumerable.Range(0, key.Front), .. cells.Select(cell => key.Front + cell)]);
        });
    }

    /// <summary>Row-major cell number that each step of a direction reads, without front tokens.</summary>
    internal static int[] Cells(TokenGrid padded, ScanDirection direction)
    {
        bool byRows = direction is ScanDirection.RowForward or ScanDirection.RowBackward;
        int[] cells = new int[padded.Count];
        for (int step = 0; step < cells.Length; step++)
            cells[step] = byRows ? step : step % padded.Rows * padded.Columns + step / padded.Rows;
        if (direction is ScanDirection.RowBackward or ScanDirection.ColumnBackward) Array.Reverse(cells);
        return cells;
    }
}
