using Mural.Attention;
using Mural.Layers;
using Mural.Layers.Strips;
using Mural.Runtime;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using GroupNorm = Mural.Layers.GroupNorm;
using Linear = Mural.Layers.Linear;

namespace Mural.Autoencoders;

/// <summary>Single-head self-attention over all positions of the feature map, with a residual (spec 3.1).</summary>
internal sealed class MidAttention : nn.Module<Tensor, Tensor>, IKernelSelectable
{
    // A picture of 4096x4096 pixels; beyond, at least as many keys as a picture of 2048x2048 pixels has.
    internal const long MostTokens = 512 * 512, LeastKeys = 256 * 256;

    private readonly GroupNorm _norm;
    private readonly Linear _query, _key, _value, _output;
    private KernelSet _kernels;

    internal MidAttention(int channels, int groups, LayerFactory layers) : base(nameof(MidAttention))
    {
        _norm = this.Register("group_norm", layers.GroupNorm(groups, channels, ResnetBlock.NormEpsilon));
        _query = this.Register("to_q", Projection(channels, layers));
        _key = this.Register("to_k", Projection(channels, layers));
        _value = this.Register("to_v", Projection(channels, layers));
        _output = Projection(channels, layers);
        this.Register("to_out", new ModuleList<Linear>(_output));
    }

    void IKernelSelectable.UseKernels(KernelSet kernels) => _kernels = kernels;

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        long batch = input.shape[0], channels = input.shape[1], height = input.shape[2], width = input.shape[3];
        // [B, C, H, W] -> [B, H*W, C]: a view of a channels-last map.
        Tensor tokens = _norm.forward(input).permute(0, 2, 3, 1).reshape(batch, height * width, channels);
        Tensor attended = SoftmaxAttention.Apply(_query.forward(tokens), _key.forward(tokens), _value.forward(tokens), heads: 1, _kernels);
        Tensor output = _output.forward(attended).reshape(batch, height, width, channels).permute(0, 3, 1, 2);
        return (input + output).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The same in place, on a map that is looked at in strips: all positions, some at a time, attend to the keys of the whole picture. Of pictures beyond
    /// <see cref="MostTokens"/> positions, for which that takes hours, keys are taken at evenly spaced rows and columns.
    /// </summary>
    internal void Run(WritableMap map, StripRunner runner) => Run(map, runner, KeyStep(map.Height, map.Width));

    /// <summary>The same with keys at rows and columns of that distance.</summary>
    internal void Run(WritableMap map, StripRunner runner, long step)
    {
        using DisposeScope scope = NewDisposeScope();
        using MapNorm norm = _norm.Of(map.Moments);
        var keys = new List<Tensor>();
        var values = new List<Tensor>();
        foreach ((long first, long count) in runner.Strips(map.Height, map.Width, map.Channels))
        {
            using DisposeScope strip = NewDisposeScope();
            // The rows and columns in the middle of each step.
            long origin = (step / 2 - first % step + step) % step;
            if (origin >= count) continue;
            using Tensor rows = norm.Apply(map.Rows(first, count));
            Tensor seen = step == 1 ? rows : rows[TensorIndex.Colon, TensorIndex.Colon, TensorIndex.Slice(origin, null, step), TensorIndex.Slice(step / 2, null, step)];
            Tensor tokens = Tokens(seen);
            keys.Add(_key.forward(tokens).MoveToOtherDisposeScope(scope));
            values.Add(_value.forward(tokens).MoveToOtherDisposeScope(scope));
        }
        Tensor allKeys = Joined(keys), allValues = Joined(values);
        map.Restart();
        foreach ((long first, long count) in runner.Strips(map.Height, map.Width, map.Channels))
        {
            using DisposeScope strip = NewDisposeScope();
            Tensor rows = map.Rows(first, count);
            Tensor attended = SoftmaxAttention.Apply(_query.forward(Tokens(norm.Apply(rows))), allKeys, allValues, heads: 1, _kernels);
            map.Write(first, rows + _output.forward(attended).reshape(1, count, map.Width, map.Channels).permute(0, 3, 1, 2));
        }
    }

    /// <summary>Distance between the rows and columns whose positions are attended to: the largest that leaves <see cref="LeastKeys"/> of them, or all.</summary>
    internal static long KeyStep(long height, long width)
    {
        if (height * width <= MostTokens) return 1;
        long step = (long)Math.Sqrt((double)height * width / LeastKeys);
        while (step > 1 && Keys(height, width, step) < LeastKeys) step--;
        return step;
    }

    /// <summary>How many positions are attended to at that distance: those in the middle of each step.</summary>
    internal static long Keys(long height, long width, long step)
    {
        long Along(long side) => Math.Max(0, (side - step / 2 + step - 1) / step);
        return Along(height) * Along(width);
    }

    // [1, C, h, W] -> [1, h*W, C]: a view of a channels-last map.
    private static Tensor Tokens(Tensor rows) => rows.permute(0, 2, 3, 1).reshape(1, rows.shape[2] * rows.shape[3], rows.shape[1]);

    private static Tensor Joined(List<Tensor> parts)
    {
        Tensor all = cat(parts, 1);
        foreach (Tensor part in parts) part.Dispose();
        return all;
    }

    private static Linear Projection(int channels, LayerFactory layers)
    {
        Linear projection = layers.Linear(channels, channels);
        if (!layers.Initialize) return projection;
        double bound = 1 / Math.Sqrt(channels);
        nn.init.uniform_(projection.Bias!, -bound, bound);
        return projection;
    }
}
