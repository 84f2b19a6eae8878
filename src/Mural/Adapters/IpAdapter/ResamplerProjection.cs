using Mural.Attention;
using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using LayerNorm = Mural.Layers.LayerNorm;
using Linear = Mural.Layers.Linear;

namespace Mural.Adapters;

/// <summary>The plus kind: learned tokens that attend to the encoder's, layer by layer (spec 7.2).</summary>
internal sealed class ResamplerProjection : PictureProjection
{
    // The name lets module.to(device) put the moved tensor into the field.
    [ComponentName(Name = "latents")]
    private readonly Parameter _latents;
    private readonly Linear _input, _output;
    private readonly LayerNorm _norm;
    private readonly (ResamplerAttention Attention, ResamplerFeedForward FeedForward)[] _layers;
    private readonly int _inputs;

    internal ResamplerProjection(long tokens, long width, Func<string, long[]?> shape, LayerFactory layers) : base(nameof(ResamplerProjection))
    {
        int features = (int)width, context = (int)(shape("proj_out.weight")?[0] ?? 1);
        _inputs = (int)(shape("proj_in.weight")?[^1] ?? 1);
        _latents = this.Register("latents", empty(1, tokens, width, layers.Type, layers.Device));
        _input = this.Register("proj_in", layers.Linear(_inputs, features));
        _layers = [.. Enumerable.Range(0, int.MaxValue).TakeWhile(i => shape($"layers.{i}.0.to_q.weight") is not null).Select(i => (
            this.RegisterAt($"layers.{i}.0", new ResamplerAttention(features, (int)shape($"layers.{i}.0.to_q.weight")![0], layers)),
            this.RegisterAt($"layers.{i}.1", new ResamplerFeedForward(features, (int)(shape($"layers.{i}.1.1.weight")?[0] ?? 1), layers))))];
        _output = this.Register("proj_out", layers.Linear(features, context));
        _norm = this.Register("norm_out", layers.LayerNorm(context));
    }

    internal override bool TakesTokens => true;

    internal override int InputWidth => _inputs;

    internal override Tensor Forward(Tensor features)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor seen = _input.forward(features);
        Tensor tokens = _latents.to(seen.dtype).expand(features.shape[0], -1, -1);
        foreach ((ResamplerAttention attention, ResamplerFeedForward feedForward) in _layers)
        {
            tokens = attention.Forward(seen, tokens) + tokens;
            tokens = feedForward.Forward(tokens) + tokens;
        }
        return _norm.forward(_output.forward(tokens)).MoveToOuterDisposeScope();
    }
}

/// <summary>Learned tokens attend to a picture's and to each other.</summary>
internal sealed class ResamplerAttention : NamedModule, IKernelSelectable
{
    private const int HeadSize = 64;

    private readonly LayerNorm _seenNorm, _tokensNorm;
    private readonly Linear _query, _keyValue, _output;
    private readonly int _inner;
    private KernelSet _kernels;

    internal ResamplerAttention(int width, int inner, LayerFactory layers) : base(nameof(ResamplerAttention))
    {
        if (inner % HeadSize != 0) throw new MuralException($"The IP-Adapter's attention has {inner} features, which is not a multiple of a head's {HeadSize}; use another file.");
        _inner = inner;
        _seenNorm = this.Register("norm1", layers.LayerNorm(width));
        _tokensNorm = this.Register("norm2", layers.LayerNorm(width));
        _query = this.Register("to_q", layers.Linear(width, inner, bias: false));
        _keyValue = this.Register("to_kv", layers.Linear(width, 2 * inner, bias: false));
        _output = this.Register("to_out", layers.Linear(inner, width, bias: false));
    }

    void IKernelSelectable.UseKernels(KernelSet kernels) => _kernels = kernels;

    internal Tensor Forward(Tensor seen, Tensor tokens)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor normalised = _tokensNorm.forward(tokens);
        Tensor[] keyValue = _keyValue.forward(cat([_seenNorm.forward(seen), normalised], 1)).chunk(2, -1);
        Tensor attended = SoftmaxAttention.Apply(_query.forward(normalised), keyValue[0], keyValue[1], _inner / HeadSize, _kernels);
        return _output.forward(attended).MoveToOuterDisposeScope();
    }
}

/// <summary>Norm, linear, GELU, linear.</summary>
internal sealed class ResamplerFeedForward : NamedModule
{
    private readonly LayerNorm _norm;
    private readonly Linear _first, _second;

    internal ResamplerFeedForward(int width, int inner, LayerFactory layers) : base(nameof(ResamplerFeedForward))
    {
        _norm = this.Register("0", layers.LayerNorm(width));
        _first = this.Register("1", layers.Linear(width, inner, bias: false));
        _second = this.Register("3", layers.Linear(inner, width, bias: false));
    }

    internal Tensor Forward(Tensor tokens)
    {
        using DisposeScope scope = NewDisposeScope();
        return _second.forward(nn.functional.gelu(_first.forward(_norm.forward(tokens)))).MoveToOuterDisposeScope();
    }
}
