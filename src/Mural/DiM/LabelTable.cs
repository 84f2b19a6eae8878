using Mural.Layers;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Mural.DiM;

/// <summary>Embeddings of the labels, the null label's row last.</summary>
internal sealed class LabelTable : nn.Module<LabelBags, Tensor>
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    internal LabelTable(int classes, int width, Device? device) : base(nameof(LabelTable)) =>
        _weight = this.Register("weight", empty(classes + 1, width, device: device));

    internal Parameter Weight => _weight;

    /// <summary>The row of each label, or the mean of its words' rows. Shape: `[B, D]`, float32.</summary>
    public override Tensor forward(LabelBags labels)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = _weight.index_select(0, labels.Indices.flatten()).to(ScalarType.Float32);
        if (labels.Present is not null)
        {
            Tensor present = labels.Present.unsqueeze(-1);
            rows = (rows.view(present.shape[0], present.shape[1], -1) * present).sum(1) / present.sum(1);
        }
        return rows.MoveToOuterDisposeScope();
    }
}
