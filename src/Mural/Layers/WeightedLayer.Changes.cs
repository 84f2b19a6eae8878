using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Layers;

// What adapters do to a layer: its weight can be changed and be had back, however it is held.
internal abstract partial class WeightedLayer
{
    // The weight as it was before it was changed, in the form that it runs in.
    private Tensor? _own;
    private (WeightedLayer Layer, long Row)? _place;

    /// <summary>The layer that holds this one's weight, and the row at which it begins there: this one, unless several were joined.</summary>
    internal (WeightedLayer Layer, long Row) Place => _place ?? (this, 0);

    // A packed weight takes about what the plain one would.
    private long OwnBytes => _own is null ? 0 : WeightShape.Aggregate(1L, (product, side) => product * side) * _own.element_size();

    /// <summary>Bytes of the own values that a module's layers keep beside changed ones.</summary>
    internal static long KeptBytes(nn.Module module) => module.modules().OfType<WeightedLayer>().Select(layer => layer.Place.Layer).Distinct().Sum(layer => layer.OwnBytes);

    /// <summary>Exchanges the weight for its own values and something added to them. What was added before is out.</summary>
    /// <param name="add">Given the own values in float32, adds to them in place; the sum is rounded once.</param>
    /// <param name="keep">Whether the own values stay in memory beside the changed ones, for <see cref="RestoreWeight"/>; otherwise the change is for good.</param>
    internal void ChangeWeight(Action<Tensor> add, bool keep)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        Tensor held = _own ?? _frozenWeight ?? _weight.detach();
        // Packing only moves values about, so that they come back exactly; some convolutions are packed as matrices.
        Tensor sum = (_packed ? held.to_dense().reshape(WeightShape) : held).to(ScalarType.Float32, copy: true);
        add(sum);
        Tensor changed = sum.to(held.dtype);
        if (_frozenWeight is null)
        {
            if (keep) _own ??= held.clone().DetachFromDisposeScope();
            _weight.detach().copy_(changed);
            return;
        }
        Tensor next = (_packed ? Pack(changed) : changed.alias()).DetachFromDisposeScope();
        if (keep && _own is null) _own = _frozenWeight;
        else _frozenWeight.Dispose();
        _frozenWeight = next;
    }

    /// <summary>Gives the layer its own weight again, to the bit.</summary>
    internal void RestoreWeight()
    {
        if (_own is null) return;
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        if (_frozenWeight is null)
        {
            _weight.detach().copy_(_own);
            _own.Dispose();
        }
        else
        {
            _frozenWeight.Dispose();
            _frozenWeight = _own;
        }
        _own = null;
    }

    /// <summary>Lets the weights go because another layer holds them from a row on.</summary>
    private protected void MoveTo(WeightedLayer layer, long row)
    {
        _place = (layer, row);
        Release();
    }
}
