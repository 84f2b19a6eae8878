using Mural.Layers;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Mural.DiM;

/// <summary>
/// From image tokens to the sequence that the blocks see and back (spec dim.md 1.3, 1.4): local enhancement, then time, class and split tokens in front
/// of the grid, which pad tokens widen to the right and below.
/// </summary>
internal sealed class TokenSequence : nn.Module
{
    private readonly int _padLength;
    private readonly PadLayout _layout;

    [ComponentName(Name = "pad_token_dec_split")]
    private readonly Parameter _split;

    [ComponentName(Name = "pad_token")]
    private readonly Parameter _pads;

    [ComponentName(Name = "first_smoother")]
    private readonly LocalEnhancement _first;

    [ComponentName(Name = "last_smoother")]
    private readonly LocalEnhancement _last;

    internal TokenSequence(DiMConfig config, Device? device) : base(nameof(TokenSequence))
    {
        _padLength = config.PadLength;
        _layout = config.PadLayout;
        _split = this.Register("pad_token_dec_split", empty(1, config.PadLength, config.Width, device: device));
        _pads = this.Register("pad_token", empty(1, config.Width, config.PadLength, device: device));
        _first = this.Register("first_smoother", new LocalEnhancement(config.Width, device));
        _last = this.Register("last_smoother", new LocalEnhancement(config.Width, device));
    }

    /// <summary>Enhances the image tokens and surrounds them.</summary>
    /// <param name="tokens">Time, class and image tokens with their positions. Shape: `[B, 2 + H·W, D]`, float32.</param>
    /// <param name="grid">H and W.</param>
    /// <returns>[time, class, split tokens, padded grid row by row]. Shape: `[B, 2 + P + (H+P)·(W+P), D]`.</returns>
    internal Tensor Build(Tensor tokens, TokenGrid grid)
    {
        using DisposeScope scope = NewDisposeScope();
        (long batch, long width) = (tokens.shape[0], tokens.shape[2]);
        Tensor image = _first.forward(tokens.narrow(1, 2, grid.Count).reshape(batch, grid.Rows, grid.Columns, width));
        Tensor pads = _pads.to(tokens.dtype)[0].t();
        Tensor right = pads.expand(batch, grid.Rows, _padLength, width);
        Tensor rows = cat([image, right], 2).view(batch, -1, width);
        Tensor below = tensor(PadCells.Bottom(_layout, grid, _padLength), device: tokens.device);
        Tensor bottom = pads.index_select(0, below).unsqueeze(0).expand(batch, -1, width);
        Tensor split = _split.to(tokens.dtype).expand(batch, _padLength, width);
        return cat([tokens.narrow(1, 0, 2), split, rows, bottom], 1).MoveToOuterDisposeScope();
    }

    /// <summary>The image tokens of a sequence in row-major storage, enhanced. Shape: `[B, H, W, D]`.</summary>
    internal Tensor Image(Tensor sequence, TokenGrid grid)
    {
        using DisposeScope scope = NewDisposeScope();
        TokenGrid padded = grid.Padded(_padLength);
        Tensor image = sequence.narrow(1, 2 + _padLength, padded.Count).view(sequence.shape[0], padded.Rows, padded.Columns, -1)
            .narrow(1, 0, grid.Rows).narrow(2, 0, grid.Columns);
        return _last.forward(image).MoveToOuterDisposeScope();
    }
}
