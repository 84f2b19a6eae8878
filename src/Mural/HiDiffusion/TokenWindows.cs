using Mural.Attention;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.HiDiffusion;

/// <summary>
/// A map's tokens in four windows, two by two, shifted by quarters of a window around the map's edges (HiDiffusion specification 3.2). Where a side is odd, its second window
/// is one shorter. Tokens are only moved.
/// </summary>
internal sealed class TokenWindows
{
    private readonly MapSize _map;
    private readonly IReadOnlyList<int> _shifts;

    /// <param name="map">The map.</param>
    /// <param name="shifts">In quarters of a window: of each picture, or one for all.</param>
    internal TokenWindows(MapSize map, IReadOnlyList<int> shifts)
    {
        _map = map;
        _shifts = shifts.Distinct().Count() == 1 ? [shifts[0]] : shifts;
        (long Height, long Width)[] sizes = [.. from row in Halves(map.Height) from column in Halves(map.Width) where row > 0 && column > 0 select (row, column)];
        Sizes = [.. sizes.Select(size => new MapSize(size.Height, size.Width))];
    }

    /// <summary>The windows, row by row.</summary>
    internal IReadOnlyList<MapSize> Sizes { get; }

    /// <summary>Whether all windows are of one size.</summary>
    internal bool AreEven => _map.Height % 2 == 0 && _map.Width % 2 == 0;

    /// <summary>Takes the windows' tokens out of those of the whole map, <c>[B, H·W, C]</c>.</summary>
    /// <returns>
    /// Windows of one size in one tensor, those of a picture after those of the one before: <c>[4 B, h·w, C]</c>. Else each in its own, <c>[B, h·w, C]</c>.
    /// </returns>
    internal Tensor[] Cut(Tensor tokens)
    {
        using DisposeScope scope = NewDisposeScope();
        long batch = tokens.shape[0], channels = tokens.shape[2];
        Tensor whole = tokens.view(batch, _map.Height, _map.Width, channels);
        Tensor[] windows = AreEven
            ? [tokens.new_empty([batch * Sizes.Count, Sizes[0].Height * Sizes[0].Width, channels])]
            : [.. Sizes.Select(size => tokens.new_empty([batch, size.Height * size.Width, channels]))];
        Copy(whole, windows, static (map, window) => window.copy_(map));
        return [.. windows.Select(window => window.MoveToOuterDisposeScope())];
    }

    /// <summary>Puts the windows' tokens, as <see cref="Cut"/> gives them, back into those of the whole map.</summary>
    internal Tensor Join(Tensor[] windows)
    {
        using DisposeScope scope = NewDisposeScope();
        long batch = AreEven ? windows[0].shape[0] / Sizes.Count : windows[0].shape[0], channels = windows[0].shape[2];
        Tensor tokens = windows[0].new_empty([batch, _map.Height * _map.Width, channels]);
        Copy(tokens.view(batch, _map.Height, _map.Width, channels), windows, static (map, window) => map.copy_(window));
        return tokens.MoveToOuterDisposeScope();
    }

    // Each window is made of up to four rectangles, because it may reach around the map's edges.
    private void Copy(Tensor whole, Tensor[] windows, Action<Tensor, Tensor> move)
    {
        long batch = whole.shape[0], channels = whole.shape[3];
        for (int picture = 0; picture < (_shifts.Count == 1 ? 1 : batch); picture++)
        {
            (long first, long count) = _shifts.Count == 1 ? (0, batch) : (picture, 1);
            int shift = _shifts[picture % _shifts.Count];
            Piece[][] rows = Pieces(_map.Height, shift * Quarter(_map.Height)), columns = Pieces(_map.Width, Quarter(_map.Height) == 0 ? 0 : shift * Quarter(_map.Width));
            int index = 0;
            foreach ((Piece[] row, Piece[] column) in from row in rows from column in columns select (row, column))
            {
                MapSize size = Sizes[index];
                using Tensor window = AreEven
                    ? windows[0].view(batch, Sizes.Count, size.Height, size.Width, channels).select(1, index)
                    : windows[index].view(batch, size.Height, size.Width, channels);
                index++;
                foreach ((Piece y, Piece x) in from y in row from x in column select (y, x))
                {
                    using DisposeScope scope = NewDisposeScope();
                    move(Part(whole, y.Map, x.Map, y.Length, x.Length, first, count), Part(window, y.Window, x.Window, y.Length, x.Length, first, count));
                }
            }
        }
    }

    private static Tensor Part(Tensor map, long top, long left, long height, long width, long first, long count) =>
        map.narrow(0, first, count).narrow(1, top, height).narrow(2, left, width);

    // The official code does not shift columns either where rows are too few to be shifted.
    private static long Quarter(long side) => Halves(side)[0] / 4;

    private static long[] Halves(long side) => [(side + 1) / 2, side / 2];

    // The pieces of both windows along one side: one, or two where the window reaches around the edge.
    private static Piece[][] Pieces(long side, long shift)
    {
        var windows = new List<Piece[]>();
        long begin = shift;
        foreach (long length in Halves(side).Where(length => length > 0))
        {
            long start = begin % side, before = Math.Min(length, side - start);
            windows.Add(before == length ? [new Piece(start, 0, length)] : [new Piece(start, 0, before), new Piece(0, before, length - before)]);
            begin += length;
        }
        return [.. windows];
    }

    /// <summary>Positions in a row, on the map and in the window.</summary>
    private readonly record struct Piece(long Map, long Window, long Length);
}
