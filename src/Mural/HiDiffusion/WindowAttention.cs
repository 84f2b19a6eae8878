using Mural.Attention;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.HiDiffusion;

/// <summary>Multi-head self-attention in shifted windows, HiDiffusion's MSW-MSA (specification 3): any kind of self-attention, on each window of a map by itself.</summary>
internal static class WindowAttention
{
    /// <summary>Mixes the tokens of each window.</summary>
    /// <param name="attention">The attention.</param>
    /// <param name="tokens">Normalised tokens, row by row. Shape: `[B, H·W, C]`.</param>
    /// <param name="map">The map they come from.</param>
    /// <param name="shifts">In quarters of a window: of each picture, or one for all.</param>
    /// <param name="resizesOddMaps">Whether maps with an odd side are resized to even ones and back, as the official code does.</param>
    /// <returns>A tensor of its own. Shape: `[B, H·W, C]`.</returns>
    internal static Tensor Forward(ISelfAttention attention, Tensor tokens, MapSize map, IReadOnlyList<int> shifts, bool resizesOddMaps)
    {
        using DisposeScope scope = NewDisposeScope();
        var even = new MapSize(map.Height + map.Height % 2, map.Width + map.Width % 2);
        if (!resizesOddMaps || even == map) return InWindows(attention, tokens, map, shifts).MoveToOuterDisposeScope();
        return Resized(InWindows(attention, Resized(tokens, map, even), even, shifts), even, map).MoveToOuterDisposeScope();
    }

    private static Tensor InWindows(ISelfAttention attention, Tensor tokens, MapSize map, IReadOnlyList<int> shifts)
    {
        using DisposeScope scope = NewDisposeScope();
        var windows = new TokenWindows(map, shifts);
        Tensor[] attended = windows.Cut(tokens.contiguous());
        for (int i = 0; i < attended.Length; i++)
        {
            using Tensor window = attended[i];
            attended[i] = attention.Forward(window, windows.Sizes[i]);
        }
        return windows.Join(attended).MoveToOuterDisposeScope();
    }

    private static Tensor Resized(Tensor tokens, MapSize from, MapSize to)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor map = tokens.view(tokens.shape[0], from.Height, from.Width, tokens.shape[2]).permute(0, 3, 1, 2);
        return MapResizing.Bicubic(map, to).permute(0, 2, 3, 1).flatten(1, 2).contiguous().MoveToOuterDisposeScope();
    }
}
