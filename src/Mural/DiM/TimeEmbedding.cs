using Mural.Layers;
using TorchSharp;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Mural.DiM;

/// <summary>The timestep as a vector: sinusoids, and the small network on them that feeds the shared modulation (spec dim.md 1.2, 1.6).</summary>
internal sealed class TimeEmbedding : nn.Module<Tensor, Tensor>
{
    private const int Frequencies = 256;

    [ComponentName(Name = "linear_1")]
    private readonly Linear _first;

    [ComponentName(Name = "linear_2")]
    private readonly Linear _second;

    internal TimeEmbedding(int width, Device? device) : base(nameof(TimeEmbedding))
    {
        _first = this.Register("linear_1", new Linear(Frequencies, width, device: device, initialize: false) { Type = ScalarType.Float32 });
        _second = this.Register("linear_2", new Linear(width, width, device: device, initialize: false) { Type = ScalarType.Float32 });
    }

    /// <summary>Sinusoids of 256 dimensions, a linear, SiLU, a linear. Shapes: `[B]` to `[B, D]`.</summary>
    public override Tensor forward(Tensor time)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor hidden = nn.functional.silu(_first.forward(Sinusoids.Of(time, Frequencies)));
        return _second.forward(hidden).MoveToOuterDisposeScope();
    }
}
