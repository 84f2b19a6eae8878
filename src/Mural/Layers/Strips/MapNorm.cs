using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Layers.Strips;

/// <summary>A group norm whose statistics are known: one factor and one addend for each channel, for any rows of the map.</summary>
internal sealed class MapNorm : IDisposable
{
    private readonly Tensor _factor, _addend;
    private readonly bool _silu;

    internal MapNorm(ChannelMoments moments, long groups, Tensor weight, Tensor bias, double epsilon, bool silu)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable quiet = no_grad();
        (double Mean, double Variance)[] statistics = moments.Groups(groups);
        long size = weight.shape[0] / groups;
        Tensor Of(Func<(double Mean, double Variance), double> part) => tensor(statistics.Select(part).ToArray()).to(weight.device).repeat_interleave(size);
        Tensor factor = weight.to(ScalarType.Float64) * Of(group => 1 / Math.Sqrt(group.Variance + epsilon));
        Tensor addend = bias.to(ScalarType.Float64) - Of(group => group.Mean) * factor;
        ScalarType type = weight.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        _factor = factor.to(type).view(1, -1, 1, 1).DetachFromDisposeScope();
        _addend = addend.to(type).view(1, -1, 1, 1).DetachFromDisposeScope();
        _silu = silu;
    }

    /// <summary>Normalised rows, in their own type. Shape: `[1, C, h, W]`.</summary>
    internal Tensor Apply(Tensor rows)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor normalised = addcmul(_addend, rows.to(_factor.dtype), _factor, 1);
        return (_silu ? normalised.silu_() : normalised).to(rows.dtype).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _factor.Dispose();
        _addend.Dispose();
    }
}
