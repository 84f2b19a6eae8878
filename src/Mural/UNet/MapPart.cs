using Mural.Attention;
using Mural.Layers;
using Mural.LinFusion;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>
/// The layers that see more than a position, for a worker that has a slab of rows: convolutions fetch the rows beside the slab, group norms share sums, linear attentions share
/// what their queries meet. The result is that of the whole map, to rounding.
/// </summary>
/// <param name="exchange">What the workers tell each other.</param>
internal sealed class MapPart(IPartExchange exchange)
{
    /// <summary>A 3x3 convolution of stride 1.</summary>
    internal Tensor Convolve(Conv2d convolution, Tensor map)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor? above, Tensor? below) = exchange.Neighbours(map, 1, 1);
        Tensor output = convolution.forward(Joined(above, map, below));
        return output.narrow(2, above is null ? 0 : 1, map.shape[2]).MoveToOuterDisposeScope();
    }

    /// <summary>A 3x3 convolution of stride 2 with a padding of 1, on a slab that begins at an even row.</summary>
    internal Tensor Downsample(Conv2d convolution, Tensor map)
    {
        using DisposeScope scope = NewDisposeScope();
        // Two rows, so that the places of the kernel stay those of the whole map; the first result belongs to the slab above.
        (Tensor? above, Tensor? _) = exchange.Neighbours(map, 2, 0);
        Tensor output = convolution.forward(Joined(above, map, null));
        return output.narrow(2, above is null ? 0 : 1, (map.shape[2] + 1) / 2).MoveToOuterDisposeScope();
    }

    /// <summary>A 3x3 convolution of stride 2 without padding, on a slab that begins at an even row of a map with a row and a column of zeros at its far sides.</summary>
    internal Tensor DownsampleFarSides(Conv2d convolution, Tensor map)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor? _, Tensor? below) = exchange.Neighbours(map, 0, 1);
        return convolution.forward(nn.functional.pad(Joined(null, map, below), (0, 1, 0, below is null ? 1 : 0))).MoveToOuterDisposeScope();
    }

    internal Tensor Normalise(GroupNorm norm, Tensor map) => norm.Forward(map, exchange.Sum);

    /// <summary>Attention over the tokens of all slabs.</summary>
    /// <exception cref="MuralException">The attention is of a kind whose tokens see each other one by one.</exception>
    internal Tensor Attend(ISelfAttention attention, Tensor tokens)
    {
        if (attention is not LinearAttention linear)
            throw new MuralException("Only a UNet with LinFusion's linear attention can be run in parts; load a LinFusion checkpoint into it.");
        using DisposeScope scope = NewDisposeScope();
        using Tensor own = tensor((double)tokens.shape[1], float64), all = exchange.Sum(own);
        return linear.Attend(tokens, exchange.Sum(linear.Sums(tokens)) / all.item<double>()).MoveToOuterDisposeScope();
    }

    private static Tensor Joined(params Tensor?[] slabs)
    {
        Tensor[] present = [.. slabs.OfType<Tensor>()];
        return present.Length == 1 ? present[0] : cat(present, 2);
    }
}
