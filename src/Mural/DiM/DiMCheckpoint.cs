using System.Globalization;
using Mural.Checkpoints;

namespace Mural.DiM;

/// <summary>What a checkpoint's names and shapes say of the model that made it (spec dim.md 3).</summary>
internal static class DiMCheckpoint
{
    /// <summary>The file of a model's weights, in the folder of its config.</summary>
    internal const string WeightsName = "model.safetensors";

    private const string BlockPrefix = "transformer_blocks.";

    /// <summary>The configuration behind a checkpoint; pad layout and meaning of labels are not in the weights and stay at their defaults.</summary>
    /// <exception cref="MuralException">The tensors are not those of a DiM.</exception>
    internal static DiMConfig Detect(ITensorSource source)
    {
        long[] patches = Shape(source, "pos_embed.proj.weight", 4);
        long[] rates = Shape(source, BlockPrefix + "0.attn1.A_log", 2);
        (int width, int patch) = ((int)patches[0], (int)patches[2]);
        long positions = Shape(source, "additional_embed", 3)[1];
        TokenGrid grid = PositionTable.GridOf(positions)
            ?? throw new MuralException(
                $"{source.Path} has a position table of {positions} rows, which is no grid after the first two; give the model's config.json with its position_grid.");
        var config = new DiMConfig
        {
            Width = width,
            Blocks = Blocks(source),
            InChannels = (int)patches[1],
            Classes = (int)Shape(source, "label_emb.weight", 2)[0] - 1,
            SampleSize = Math.Max(grid.Rows, grid.Columns) * patch,
            PatchSize = patch,
            StateSize = (int)rates[1],
            ConvolutionKernel = (int)Shape(source, BlockPrefix + "0.attn1.conv1d.weight", 3)[2],
            Expand = width == 0 ? 0 : (int)rates[0] / width,
            PadLength = (int)Shape(source, "a4m_adapter.pad_token", 3)[2],
            SkipForm = SkipFormOf(source) ?? SkipForm.TwoLinears,
            PositionGrid = grid.Rows == grid.Columns ? null : grid,
        };
        config.Check();
        return config;
    }

    /// <summary>The form of the skip linears by the names present, or null where there are none.</summary>
    internal static SkipForm? SkipFormOf(ITensorSource source)
    {
        if (source.Tensors.Keys.Any(name => name.EndsWith(".skip_linear.0.weight", StringComparison.Ordinal))) return SkipForm.TwoLinears;
        if (source.Tensors.Keys.Any(name => name.EndsWith(".skip_linear.weight", StringComparison.Ordinal))) return SkipForm.Concatenated;
        return null;
    }

    /// <summary>Lets a position table of another grid be loaded: it is resized as the official code does it (spec dim.md 5.1).</summary>
    internal static Func<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor>? ResizePositions(string name, long[] stored, long[] wanted, TokenGrid grid)
    {
        if (name != "additional_embed" || stored.Length != 3 || stored[0] != 1 || stored[2] != wanted[2]) return null;
        return PositionTable.GridOf(stored[1]) is { } from ? table => PositionTable.Resize(table, from, grid) : null;
    }

    private static int Blocks(ITensorSource source)
    {
        int last = -1;
        foreach (string name in source.Tensors.Keys)
        {
            if (!name.StartsWith(BlockPrefix, StringComparison.Ordinal)) continue;
            ReadOnlySpan<char> rest = name.AsSpan(BlockPrefix.Length);
            int dot = rest.IndexOf('.');
            if (dot > 0 && int.TryParse(rest[..dot], NumberStyles.None, CultureInfo.InvariantCulture, out int block)) last = Math.Max(last, block);
        }
        return last + 1;
    }

    private static long[] Shape(ITensorSource source, string name, int dimensions) =>
        source.Tensors.TryGetValue(name, out TensorEntry? entry) && entry.Shape.Length == dimensions ? entry.Shape
            : throw new MuralException($"{source.Path} is not a DiM: it has no tensor {name} of {dimensions} dimensions; give an nnet_ema file of a DiM.");
}
