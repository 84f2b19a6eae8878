using Mural.Layers;
using TorchSharp;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Mural.DiM;

/// <summary>The conditioning vector that all blocks share: shift, scale and gate from time and label (spec dim.md 1.6).</summary>
internal sealed class SharedAdaLayerNorm : nn.Module<Tensor, LabelBags, Tensor>
{
    private readonly TimeEmbedding _time;
    private readonly LabelTable _labels;

    [ComponentName(Name = "linear")]
    private readonly Linear _linear;

    internal SharedAdaLayerNorm(DiMConfig config, Device? device) : base(nameof(SharedAdaLayerNorm))
    {
        _time = new TimeEmbedding(config.Width, device);
        _labels = new LabelTable(config.Classes, config.Width, device);
        this.RegisterAt("emb.timestep_embedder", _time);
        this.RegisterAt("emb.class_embedder.embedding_table", _labels);
        _linear = this.Register("linear", new Linear(config.Width, 3 * config.Width, device: device, initialize: false) { Type = ScalarType.Float32 });
    }

    internal TorchSharp.Modules.Parameter Labels => _labels.Weight;

    /// <summary>Linear(SiLU(e_t + label)), split into shift, scale and gate. Shape: `[B, 3, D]`, float32.</summary>
    public override Tensor forward(Tensor time, LabelBags labels)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor condition = _time.forward(time) + _labels.forward(labels);
        return _linear.forward(nn.functional.silu(condition)).view(time.shape[0], 3, -1).MoveToOuterDisposeScope();
    }

    // The fields' names are not the checkpoint's; every child is registered above.
    protected override void RegisterComponents() { }
}
