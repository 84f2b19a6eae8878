using Mural.Attention;
using Mural.Checkpoints;
using Mural.HiDiffusion;
using Mural.Layers;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>What one or several ControlNets add to a UNet's skips and to its middle in one step.</summary>
public sealed class ControlResiduals : IDisposable
{
    private readonly Tensor[] _down;

    /// <param name="down">One for each skip of the UNet, first to last. Shapes: <c>[B, C, H, W]</c>.</param>
    /// <param name="mid">For the middle's result.</param>
    public ControlResiduals(IEnumerable<Tensor> down, Tensor mid)
    {
        ArgumentNullException.ThrowIfNull(down);
        _down = [.. down];
        Mid = mid;
    }

    /// <summary>One for each skip of the UNet, first to last. Shapes: <c>[B, C, H, W]</c>.</summary>
    public IReadOnlyList<Tensor> Down => _down;

    /// <summary>For the middle's result.</summary>
    public Tensor Mid { get; }

    /// <summary>The sum of what several ControlNets add, each scaled already; theirs stay as they are.</summary>
    /// <exception cref="MuralException">There are none, or their shapes differ.</exception>
    public static ControlResiduals Sum(IReadOnlyList<ControlResiduals> residuals)
    {
        ArgumentNullException.ThrowIfNull(residuals);
        if (residuals.Count == 0) throw new MuralException("There are no residuals to add up; give those of at least one ControlNet.");
        return new ControlResiduals(
            Enumerable.Range(0, residuals[0]._down.Length).Select(i => Sum(residuals, one => one._down.ElementAtOrDefault(i))), Sum(residuals, one => one.Mid));
    }

    /// <summary>
    /// The same with zeros for latents that come before in the batch: those of the unconditional half in guess mode, in which the ControlNet sees the conditional half only.
    /// </summary>
    /// <param name="count">Number of latents to add.</param>
    public ControlResiduals AfterZeros(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        Tensor Padded(Tensor residual)
        {
            using Tensor zeros = residual.new_zeros([count, .. residual.shape[1..]]);
            return cat([zeros, residual]);
        }
        return new ControlResiduals(_down.Select(Padded), Padded(Mid));
    }

    /// <summary>Frees the tensors.</summary>
    public void Dispose()
    {
        foreach (Tensor residual in _down) residual.Dispose();
        Mid.Dispose();
    }

    /// <summary>Keeps the tensors beyond the scope they were made in.</summary>
    internal ControlResiduals MoveToOuterDisposeScope()
    {
        foreach (Tensor residual in _down) residual.MoveToOuterDisposeScope();
        Mid.MoveToOuterDisposeScope();
        return this;
    }

    /// <summary>Adds each to its skip, in the list, and returns the middle with its own.</summary>
    /// <param name="skips">The UNet's skips.</param>
    /// <param name="mid">Its middle.</param>
    /// <param name="resizes">Whether residuals of other sizes are resized to those of the maps (HiDiffusion specification 4.1).</param>
    /// <exception cref="MuralException">Their number or shapes are not the UNet's.</exception>
    internal Tensor AddTo(List<Tensor> skips, Tensor mid, bool resizes = false)
    {
        if (skips.Count != _down.Length)
            throw new MuralException($"There are {_down.Length} control residuals for {skips.Count} skips; use a ControlNet of the UNet's family.");
        for (int i = 0; i < skips.Count; i++) skips[i] = Added(skips[i], _down[i], resizes, $"Control residual {i}");
        return Added(mid, Mid, resizes, "The middle's control residual");
    }

    private static Tensor Added(Tensor map, Tensor residual, bool resizes, string what)
    {
        using Tensor typed = residual.to(map.dtype), fitting = resizes ? MapResizing.Bicubic(typed, MapSize.Of(map)) : typed.alias();
        if (!fitting.shape.AsSpan().SequenceEqual(map.shape))
            throw new MuralException(
                $"{what} is {Sizes.Text(residual.shape)} where the UNet has {Sizes.Text(map.shape)}; use a ControlNet of the UNet's family, on latents of the same size.");
        return Residual.Add(map, fitting);
    }

    private static Tensor Sum(IReadOnlyList<ControlResiduals> residuals, Func<ControlResiduals, Tensor?> part)
    {
        Tensor first = part(residuals[0])!, sum = first.clone();
        foreach (ControlResiduals other in residuals.Skip(1))
        {
            if (part(other) is not { } addend || !addend.shape.AsSpan().SequenceEqual(first.shape))
                throw new MuralException("The ControlNets' residuals differ in number or shape; use ControlNets of one family, on latents of the same size.");
            using Tensor before = sum;
            sum = before + addend;
        }
        return sum;
    }
}
