using Mural.Layers;
using Mural.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Attention;

/// <summary>
/// The tokens of a map attend to those of a context, such as a prompt's (spec 2.4). Keys and values depend on the context alone and are made once, not at each step.
/// </summary>
internal sealed class CrossAttention : NamedModule, IKernelSelectable
{
    private readonly Linear _query, _key, _value, _output;
    private readonly int _heads;
    private KernelSet _kernels;

    internal CrossAttention(int channels, int contextWidth, int heads, LayerFactory layers) : base(nameof(CrossAttention))
    {
        _heads = heads;
        Channels = channels;
        _query = this.Register("to_q", layers.Linear(channels, channels, bias: false));
        _key = this.Register("to_k", layers.Linear(contextWidth, channels, bias: false));
        _value = this.Register("to_v", layers.Linear(contextWidth, channels, bias: false));
        _output = this.RegisterAt("to_out.0", layers.Linear(channels, channels));
    }

    void IKernelSelectable.UseKernels(KernelSet kernels) => _kernels = kernels;

    /// <summary>Features of the tokens.</summary>
    internal int Channels { get; }

    /// <summary>What the tokens will attend to. Shape of <paramref name="context"/>: `[B, T, context width]`.</summary>
    internal KeysAndValues Prepare(Tensor context) => new(_key.forward(context), _value.forward(context));

    /// <summary>The sum, over all that is attended to, of each one's attention times its weight, through the output projection.</summary>
    /// <param name="tokens">Normalised tokens. Shape: `[B, N, C]`.</param>
    /// <param name="contexts">At least one, each of the tokens' batch or of one entry for all.</param>
    internal Tensor Forward(Tensor tokens, IReadOnlyList<KeysAndValues> contexts)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor queries = _query.forward(tokens);
        Tensor sum = Attend(queries, contexts[0]);
        foreach (KeysAndValues context in contexts.Skip(1)) sum = Residual.Add(Attend(queries, context), sum);
        return _output.forward(sum).MoveToOuterDisposeScope();
    }

    private Tensor Attend(Tensor queries, KeysAndValues context)
    {
        Tensor attended = SoftmaxAttention.Apply(queries, context.Keys, context.Values, _heads, _kernels);
        return context.Weight == 1 ? attended : attended * context.Weight;
    }
}
