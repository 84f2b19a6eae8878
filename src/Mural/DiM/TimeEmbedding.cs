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
        Tensor hidden = nn.functional.silu(_first.forward(Sinusoid(time, Frequencies)));
        return _second.forward(hidden).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// cos(t f_k) then sin(t f_k), f_k = 10000^(-k / (width / 2)); an odd width ends with a zero. Computed in float64 on the CPU: in float32 the rounding of the
    /// frequencies would be the largest error of the whole network.
    /// </summary>
    /// <returns>float32 on the device of <paramref name="time"/>. Shape: `[B, width]`.</returns>
    internal static Tensor Sinusoid(Tensor time, int width)
    {
        using DisposeScope scope = NewDisposeScope();
        int half = width / 2;
        Tensor exponents = arange(half, dtype: ScalarType.Float64) / half;
        Tensor angles = time.detach().to(ScalarType.Float64, CPU).unsqueeze(1) * (exponents * -Math.Log(10000)).exp();
        Tensor embedding = cat([angles.cos(), angles.sin()], 1);
        if (width % 2 == 1) embedding = nn.functional.pad(embedding, (0, 1));
        return embedding.to(ScalarType.Float32, time.device).MoveToOuterDisposeScope();
    }
}
