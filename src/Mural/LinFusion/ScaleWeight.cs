using Mural.Layers;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>The factors of an RMS norm, one a channel, under the name that checkpoints have for them. They start at 1.</summary>
internal sealed class ScaleWeight : nn.Module
{
    // The name lets module.to(device) put the moved tensor into the field.
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    internal ScaleWeight(int width, Device? device) : base(nameof(ScaleWeight)) => _weight = this.Register("weight", ones(width, device: device));

    internal Parameter Weight => _weight;
}
