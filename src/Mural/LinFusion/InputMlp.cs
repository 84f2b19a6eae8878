using Mural.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>x + F(x), with F a small perceptron: what the tokens pass before they become queries, and another before they become keys (spec 1.1).</summary>
internal sealed class InputMlp : NamedModule
{
    private const double NegativeSlope = 0.01;

    private readonly LayerNorm _norm;

    internal InputMlp(int channels, int width, LayerFactory layers) : base(nameof(InputMlp))
    {
        Input = this.Register("0", layers.Linear(channels, width));
        _norm = this.Register("1", layers.LayerNorm(width));
        Output = this.Register("3", layers.Linear(width, channels));
    }

    /// <summary>The first linear.</summary>
    internal Linear Input { get; }

    /// <summary>The last linear: with zeros in it the tokens pass unchanged.</summary>
    internal Linear Output { get; }

    /// <summary>Shapes: `[B, N, C]` to `[B, N, C]`.</summary>
    internal Tensor Forward(Tensor tokens)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = nn.functional.leaky_relu(_norm.forward(Input.forward(tokens)), NegativeSlope);
        return Residual.Add(Output.forward(hidden), tokens).MoveToOuterDisposeScope();
    }
}
