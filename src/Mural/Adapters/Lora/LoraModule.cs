using static TorchSharp.torch;

namespace Mural.Adapters.Lora;

/// <summary>
/// A low-rank change of one layer's weight: <c>W + s (α / r) up down</c>, with rank <c>r</c> and the user's weight <c>s</c> (spec stable-diffusion.md 7.3).
/// </summary>
internal sealed class LoraModule : IDisposable
{
    private readonly Tensor _down, _up;
    private readonly Tensor? _middle;

    /// <param name="key">The layer's name as the file has it.</param>
    /// <param name="down">Shape: <c>[r, in]</c> or <c>[r, in, h, w]</c>.</param>
    /// <param name="up">Shape: <c>[out, r]</c> or <c>[out, r, 1, 1]</c>.</param>
    /// <param name="middle">The core of a Tucker decomposition, <c>[r, r, h, w]</c>, between two factors without extent; or null.</param>
    /// <param name="scale">α / r.</param>
    internal LoraModule(string key, Tensor down, Tensor up, Tensor? middle, double scale)
    {
        Key = key;
        _down = down;
        _up = up;
        _middle = middle;
        Scale = scale;
    }

    /// <summary>The layer's name as the file has it.</summary>
    internal string Key { get; }

    /// <summary>What the product of the factors is multiplied by, beside the user's weight: α / r.</summary>
    internal double Scale { get; }

    private long Rank => _down.shape[0];

    private long Outputs => _up.shape[0];

    // Values of the weight for each output.
    private long Inputs => _down.numel() / Rank * (_middle is null ? 1 : _middle.shape[2] * _middle.shape[3]);

    /// <summary>The size of the change, for messages.</summary>
    internal string Describe() => $"{Outputs}x{Inputs}";

    /// <summary>Whether a weight of this shape is one that this change is made for.</summary>
    internal bool Fits(long[] shape) => shape[0] == Outputs && (shape.Aggregate(1L, (a, b) => a * b) == Outputs * Inputs || Widens(shape));

    /// <summary>The change of a weight that <see cref="Fits"/> accepts, without the user's weight. float32.</summary>
    /// <param name="shape">The weight's shape.</param>
    internal Tensor Change(long[] shape)
    {
        using var scope = NewDisposeScope();
        Tensor down = _down.to(float32), up = _up.to(float32).reshape(Outputs, -1), product;
        if (_middle is null)
        {
            product = up.mm(down.reshape(Rank, -1));
        }
        else
        {
            // ΔW[i, j] = Σ mid[n, m] up[i, n] down[m, j]: both outer factors are 1x1 convolutions.
            Tensor right = einsum("nmhw,mj->njhw", _middle.to(float32), down.reshape(Rank, -1));
            product = einsum("in,njhw->ijhw", up, right);
        }
        if (Widens(shape))
        {
            Tensor narrow = product.reshape(shape[0], _down.shape[1], shape[2], shape[3]);
            product = cat([narrow, zeros(shape[0], shape[1] - _down.shape[1], shape[2], shape[3])], 1);
        }
        // The same layer may be a linear one in the model and a 1x1 convolution in the file, or the other way round.
        return product.reshape(shape).mul(Scale).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _down.Dispose();
        _up.Dispose();
        _middle?.Dispose();
    }

    // A LoRA of the plain model on its inpainting sibling: the first convolution has more input channels there, which the change leaves alone.
    private bool Widens(long[] shape) =>
        _middle is null && shape.Length == 4 && _down.dim() == 4 && _down.shape[1] < shape[1] && _down.shape[2] == shape[2] && _down.shape[3] == shape[3];
}
