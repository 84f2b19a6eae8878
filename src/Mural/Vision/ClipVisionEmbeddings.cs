using Mural.Layers;
using Mural.Layers.Clip;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using Conv2d = Mural.Layers.Conv2d;

namespace Mural.Vision;

/// <summary>A picture as tokens: a learned one for the whole, then one for each patch, row by row, all with their positions.</summary>
internal sealed class ClipVisionEmbeddings : nn.Module
{
    // The name lets module.to(device) put the moved tensor into the field.
    [ComponentName(Name = "class_embedding")]
    private readonly Parameter _whole;
    private readonly Conv2d _patches;
    private readonly ClipTable _positions;

    internal ClipVisionEmbeddings(ClipVisionConfig config, LayerFactory layers) : base(nameof(ClipVisionEmbeddings))
    {
        int width = config.Transformer.Width;
        _whole = this.Register("class_embedding", zeros(width, layers.Type, layers.Device));
        _patches = this.Register("patch_embedding", new Conv2d(
            config.Channels, width, config.PatchSize, stride: config.PatchSize, bias: false, device: layers.Device, initialize: layers.Initialize, parameters: layers.Type));
        _positions = this.Register("position_embedding", new ClipTable(config.Tokens, width, layers));
    }

    /// <summary>Pixels <c>[B, 3, S, S]</c> to tokens <c>[B, 1 + patches, D]</c>.</summary>
    internal Tensor Forward(Tensor pixels)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor patches = _patches.forward(pixels).flatten(2).transpose(1, 2);
        Tensor whole = _whole.to(pixels.dtype).expand(pixels.shape[0], 1, -1);
        return (cat([whole, patches], 1) + _positions.Rows.to(pixels.dtype)).MoveToOuterDisposeScope();
    }

    // The fields' names are not the checkpoint's; every child is registered above.
    protected override void RegisterComponents() { }
}
