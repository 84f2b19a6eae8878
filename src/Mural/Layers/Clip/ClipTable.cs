using Mural.Runtime;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Mural.Layers.Clip;

/// <summary>A table of vectors, one a row: token or position embeddings.</summary>
internal sealed class ClipTable : nn.Module, IFreezable
{
    // The name lets module.to(device) put the moved tensor into the field.
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;
    private Tensor? _frozen;

    internal ClipTable(long rows, long width, LayerFactory layers) : base(nameof(ClipTable)) => _weight = this.Register("weight", Start(layers, rows, width));

    /// <summary>The vectors. Shape: <c>[rows, D]</c>.</summary>
    internal Tensor Rows => _frozen ?? _weight;

    /// <summary>The vectors of some rows, <c>[B, L]</c>. Shape: <c>[B, L, D]</c>.</summary>
    internal Tensor Take(Tensor indices) => Take(Rows, indices);

    /// <summary>The rows <c>[B, L]</c> of a table <c>[rows, D]</c>. Shape: <c>[B, L, D]</c>.</summary>
    internal static Tensor Take(Tensor table, Tensor indices)
    {
        using TorchSharp.DisposeScope scope = NewDisposeScope();
        return table.index_select(0, indices.flatten()).view(indices.shape[0], indices.shape[1], -1).MoveToOuterDisposeScope();
    }

    // As CLIP is initialised for training.
    private static Tensor Start(LayerFactory layers, params long[] shape)
    {
        const double Deviation = 0.02;
        Tensor table = empty(shape, layers.Type, layers.Device);
        return layers.Initialize ? nn.init.normal_(table, 0, Deviation) : table;
    }

    void IFreezable.Freeze(KernelSet kernels, ScalarType type)
    {
        if (_frozen is not null) return;
        using IDisposable guard = no_grad();
        using (Tensor rows = _weight.to(type)) _frozen = rows.alias().DetachFromDisposeScope();
        _internal_params.Remove("weight");
        _weight.Dispose();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _frozen?.Dispose();
        base.Dispose(disposing);
    }
}
