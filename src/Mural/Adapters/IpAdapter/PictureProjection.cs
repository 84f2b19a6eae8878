using Mural.Checkpoints;
using Mural.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Adapters;

/// <summary>What an IP-Adapter makes of an image encoder's output: tokens that the UNet can attend to (spec 7.2).</summary>
internal abstract class PictureProjection(string name) : NamedModule(name)
{
    private const string Prefix = "image_proj.";

    private const int FaceWidth = 512;

    /// <summary>Whether it looks at the encoder's penultimate tokens instead of at its one vector for the whole picture.</summary>
    internal abstract bool TakesTokens { get; }

    /// <summary>Features of what it looks at.</summary>
    internal abstract int InputWidth { get; }

    /// <summary>Shape: <c>[B, F]</c> or <c>[B, N, F]</c> to <c>[B, T, context width]</c>.</summary>
    internal abstract Tensor Forward(Tensor features);

    /// <summary>What the kind in a file looks at: tokens or one vector, and their width; null for no kind that is known.</summary>
    internal static (bool Tokens, long Width)? InputOf(ITensorSource source)
    {
        long[]? Shape(string name) => ShapeOf(source, name);
        if (Shape("latents") is not null) return Shape("proj_in.weight") is [_, var seen] ? (true, seen) : null;
        if (Shape("proj.weight") is [_, var whole]) return (false, whole);
        return Shape("proj.0.weight") is [_, var patch] ? (true, patch) : null;
    }

    private static long[]? ShapeOf(ITensorSource source, string name) => source.Tensors.TryGetValue(Prefix + name, out TensorEntry? entry) ? entry.Shape : null;

    /// <summary>Builds the kind that a file's names and shapes tell, and fills it.</summary>
    /// <exception cref="MuralException">The file has another kind, or its weights do not fit together.</exception>
    internal static PictureProjection Load(ITensorSource source, LayerFactory layers)
    {
        long[]? Shape(string name) => ShapeOf(source, name);
        // InstantID's is a resampler too, but of a face recogniser's vector, which is narrower than any image encoder's.
        bool face = Shape("latents") is not null && Shape("proj_in.weight") is [_, FaceWidth];
        if (face || Shape("proj.0.weight") is [var out0, var in0] && out0 != in0
            || source.Tensors.Keys.Any(name => name.StartsWith(Prefix + "perceiver_resampler.", StringComparison.Ordinal)))
            throw new MuralException(
                $"{source.Path} is an IP-Adapter FaceID, or that of InstantID, which needs what a face recogniser says of the picture; use a base, plus or full-face one.");
        PictureProjection projection =
            Shape("latents") is [1, var tokens, var width] ? new ResamplerProjection(tokens, width, Shape, layers)
            : Shape("proj.weight") is [var outputs, var inputs] && Shape("norm.weight") is [var context] ? new WholePictureProjection(inputs, outputs, context, layers)
            : Shape("proj.0.weight") is [_, var patch] && Shape("proj.2.weight") is [var last, _] ? new PatchProjection(patch, last, layers)
            : throw new MuralException($"{source.Path} is an IP-Adapter of a kind that is not supported; use a base, plus or full-face one.");
        return ModelFolder.Loaded(projection, () =>
            ModuleWeights.Load(projection, source, name => name.StartsWith(Prefix, StringComparison.Ordinal) ? name[Prefix.Length..] : null));
    }
}

/// <summary>The base kind: one vector to a few tokens.</summary>
internal sealed class WholePictureProjection : PictureProjection
{
    private readonly Linear _projection;
    private readonly LayerNorm _norm;
    private readonly int _inputs, _context;

    internal WholePictureProjection(long inputs, long outputs, long context, LayerFactory layers) : base(nameof(WholePictureProjection))
    {
        (_inputs, _context) = ((int)inputs, (int)context);
        _projection = this.Register("proj", layers.Linear((int)inputs, (int)outputs));
        _norm = this.Register("norm", layers.LayerNorm((int)context));
    }

    internal override bool TakesTokens => false;

    internal override int InputWidth => _inputs;

    internal override Tensor Forward(Tensor features)
    {
        using DisposeScope scope = NewDisposeScope();
        return _norm.forward(_projection.forward(features).reshape(features.shape[0], -1, _context)).MoveToOuterDisposeScope();
    }
}

/// <summary>The full-face kind: each of the encoder's tokens becomes one.</summary>
internal sealed class PatchProjection : PictureProjection
{
    private readonly Linear _first, _second;
    private readonly LayerNorm _norm;
    private readonly int _inputs;

    internal PatchProjection(long inputs, long context, LayerFactory layers) : base(nameof(PatchProjection))
    {
        _inputs = (int)inputs;
        _first = this.RegisterAt("proj.0", layers.Linear(_inputs, _inputs));
        _second = this.RegisterAt("proj.2", layers.Linear(_inputs, (int)context));
        _norm = this.RegisterAt("proj.3", layers.LayerNorm((int)context));
    }

    internal override bool TakesTokens => true;

    internal override int InputWidth => _inputs;

    internal override Tensor Forward(Tensor features)
    {
        using DisposeScope scope = NewDisposeScope();
        return _norm.forward(_second.forward(nn.functional.gelu(_first.forward(features)))).MoveToOuterDisposeScope();
    }
}
