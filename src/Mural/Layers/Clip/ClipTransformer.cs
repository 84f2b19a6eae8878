using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Layers.Clip;

/// <summary>The blocks of a CLIP encoder, for text or pictures.</summary>
internal sealed class ClipTransformer : NamedModule
{
    private readonly ClipBlock[] _blocks;

    internal ClipTransformer(ClipTransformerConfig config, bool causal, LayerFactory layers) : base(nameof(ClipTransformer))
    {
        _blocks = [.. Enumerable.Range(0, config.Layers).Select(i => this.RegisterAt($"layers.{i}", new ClipBlock(config, causal, layers)))];
    }

    /// <summary>Blocks.</summary>
    internal int Count => _blocks.Length;

    /// <summary>Runs the blocks from <paramref name="first"/> up to, and without, <paramref name="end"/>. Shape: <c>[B, L, D]</c>.</summary>
    internal Tensor Run(Tensor tokens, int first, int end)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor result = tokens.alias();
        for (int i = first; i < end; i++)
        {
            using Tensor before = result;
            result = _blocks[i].Forward(before);
        }
        return result.MoveToOuterDisposeScope();
    }
}
