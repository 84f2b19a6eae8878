using static TorchSharp.torch;

namespace Mural.Adapters.Lora;

/// <summary>A change of one layer's weight: <c>W + s c ΔW</c>, with the user's weight <c>s</c> and a scale <c>c</c> from the file (spec stable-diffusion.md 7.3).</summary>
/// <param name="key">The layer's name as the file has it.</param>
/// <param name="scale">What ΔW is multiplied by.</param>
internal abstract class LoraModule(string key, double scale) : IDisposable
{
    /// <summary>The layer's name as the file has it.</summary>
    internal string Key => key;

    /// <summary>What the change is multiplied by, beside the user's weight: α / r.</summary>
    internal double Scale => scale;

    private protected abstract long Outputs { get; }

    // Values of the weight for each output.
    private protected abstract long Inputs { get; }

    /// <summary>The size of the change, for messages.</summary>
    internal string Describe() => $"{Outputs}x{Inputs}";

    /// <summary>Whether a weight of this shape is one that this change is made for.</summary>
    internal virtual bool Fits(long[] shape) => shape[0] == Outputs && shape.Aggregate(1L, (a, b) => a * b) == Outputs * Inputs;

    /// <summary>The change of a weight that <see cref="Fits"/> accepts, without the user's weight. float32.</summary>
    /// <param name="shape">The weight's shape.</param>
    internal abstract Tensor Change(long[] shape);

    public abstract void Dispose();

    /// <summary>What a core without its outer factors, which are 1x1 convolutions, stands for: a Tucker decomposition. Shape: <c>[out, in, h, w]</c>, float32.</summary>
    /// <param name="core">Shape: <c>[n, m, h, w]</c>.</param>
    /// <param name="output">Shape: <c>[n, out]</c>.</param>
    /// <param name="input">Shape: <c>[m, in]</c>.</param>
    internal static Tensor Tucker(Tensor core, Tensor output, Tensor input)
    {
        // Σ core[n, m] output[n, i] input[m, j].
        Tensor right = einsum("nmhw,mj->njhw", core.to(float32), input.to(float32));
        return einsum("ni,njhw->ijhw", output.to(float32), right);
    }
}
