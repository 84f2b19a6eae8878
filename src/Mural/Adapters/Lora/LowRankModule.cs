using static TorchSharp.torch;

namespace Mural.Adapters.Lora;

/// <summary>LoRA, and LoCon for convolutions: a low-rank change <c>ΔW = up down</c> (arXiv 2106.09685).</summary>
internal sealed class LowRankModule : LoraModule
{
    private readonly Tensor _down, _up;
    private readonly Tensor? _middle;

    /// <param name="key">The layer's name as the file has it.</param>
    /// <param name="down">Shape: <c>[r, in]</c> or <c>[r, in, h, w]</c>.</param>
    /// <param name="up">Shape: <c>[out, r]</c> or <c>[out, r, 1, 1]</c>.</param>
    /// <param name="middle">The core of a Tucker decomposition, <c>[r, r, h, w]</c>, between two factors without extent; or null.</param>
    /// <param name="scale">α / r.</param>
    internal LowRankModule(string key, Tensor down, Tensor up, Tensor? middle, double scale) : base(key, scale)
    {
        _down = down;
        _up = up;
        _middle = middle;
    }

    private protected override long Outputs => _up.shape[0];

    private protected override long Inputs => _down.numel() / Rank * (_middle is null ? 1 : _middle.shape[2] * _middle.shape[3]);

    private long Rank => _down.shape[0];

    internal override bool Fits(long[] shape) => base.Fits(shape) || (shape[0] == Outputs && Widens(shape));

    internal override Tensor Change(long[] shape)
    {
        using var scope = NewDisposeScope();
        Tensor down = _down.to(float32).reshape(Rank, -1), up = _up.to(float32).reshape(Outputs, -1);
        Tensor product = _middle is null ? up.mm(down) : Tucker(_middle, up.t(), down);
        if (Widens(shape))
        {
            Tensor narrow = product.reshape(shape[0], _down.shape[1], shape[2], shape[3]);
            product = cat([narrow, zeros(shape[0], shape[1] - _down.shape[1], shape[2], shape[3])], 1);
        }
        // The same layer may be a linear one in the model and a 1x1 convolution in the file, or the other way round.
        return product.reshape(shape).mul(Scale).MoveToOuterDisposeScope();
    }

    public override void Dispose()
    {
        _down.Dispose();
        _up.Dispose();
        _middle?.Dispose();
    }

    // A LoRA of the plain model on its inpainting sibling: the first convolution has more input channels there, which the change leaves alone.
    private bool Widens(long[] shape) =>
        _middle is null && shape.Length == 4 && _down.dim() == 4 && _down.shape[1] < shape[1] && _down.shape[2] == shape[2] && _down.shape[3] == shape[3];
}
