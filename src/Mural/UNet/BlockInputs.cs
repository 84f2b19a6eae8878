using Mural.Attention;
using Mural.HiDiffusion;
using Mural.Layers;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>What every block gets in one run of the network, beside its feature map.</summary>
/// <param name="Time">SiLU of the time embedding, in the run's type. Shape: `[B, time width]`.</param>
/// <param name="Prompt">What the cross-attentions attend to.</param>
/// <param name="Observe">Sees the result of each part, named by the object that made it; it must not keep the tensor, which may be written over.</param>
/// <param name="Step">What HiDiffusion does in this run of the network, or null for nothing.</param>
internal sealed record BlockInputs(Tensor Time, PreparedPrompt Prompt, Action<object, Tensor>? Observe, HiDiffusionStep? Step)
{
    /// <summary>
    /// Whether the backward pass computes parts of the network once more instead of keeping what they need. Nothing but their maps and weights may need gradients then, and the
    /// prompt must be there until that pass is done.
    /// </summary>
    internal bool Recompute { get; init; }

    /// <summary>The slab of rows that the maps are, where others run the other rows; null for whole maps.</summary>
    internal MapPart? Part { get; init; }

    /// <summary>A 3x3 convolution of stride 1.</summary>
    internal Tensor Convolve(Conv2d convolution, Tensor map) => Part?.Convolve(convolution, map) ?? convolution.forward(map);

    internal Tensor Normalise(GroupNorm norm, Tensor map) => Part?.Normalise(norm, map) ?? norm.forward(map);

    internal Tensor Attend(ISelfAttention attention, Tensor tokens, MapSize map) => Part?.Attend(attention, tokens) ?? attention.Forward(tokens, map);

    /// <summary>Runs a part of the network.</summary>
    /// <param name="part">Computes a map from a map; where gradients are recomputed it is called twice, and must do the same both times.</param>
    /// <param name="map">What it is given; the time is given beside it.</param>
    /// <param name="modules">The modules whose weights it uses; null for what has none.</param>
    internal Tensor Run(Func<Tensor, Tensor, Tensor> part, Tensor map, params ReadOnlySpan<nn.Module?> modules)
    {
        if (!Recompute) return part(map, Time);
        List<Tensor> trained = [];
        foreach (nn.Module? module in modules) trained.AddRange((module?.parameters() ?? []).Where(parameter => parameter.requires_grad));
        return map.requires_grad || trained.Count > 0 ? GradientCheckpoint.Run(inputs => part(inputs[0], inputs[1]), [map, Time], trained) : part(map, Time);
    }
}
