using Mural.Checkpoints;
using Mural.Layers;
using Mural.LinFusion;
using static TorchSharp.torch;

namespace Mural.UNet;

public sealed partial class UNet2DConditionModel
{
    private LinFusionConfig? _linFusion;

    /// <summary>
    /// Replaces self-attentions by LinFusion's linear attention (LinFusion specification 2.3), or by the other mixer that a checkpoint names: the cost then grows linearly with the
    /// number of pixels. LoRAs are merged after that, or their change of these attentions is lost.
    /// </summary>
    /// <param name="folder">A checkpoint as published for the model's family: <c>config.json</c> and <c>diffusion_pytorch_model.safetensors</c>.</param>
    /// <param name="variant">The variant of the weights' file wanted where there are several, or null for the plain one.</param>
    /// <exception cref="CheckpointMismatchException">The weights are not those that the checkpoint's config describes; nothing was changed.</exception>
    /// <exception cref="MuralException">
    /// The checkpoint is missing, malformed or for another family of models; nothing was changed. Or the network was made ready for inference.
    /// </exception>
    public void LoadLinFusion(string folder, string? variant = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        _inference.RequireWeights("changed");
        LinFusionConfig config = LinFusionConfig.Read(folder);
        TransformerBlock[] blocks = Find(config, folder);
        LinFusionModules modules = NewModules(config, blocks, blocks[0].SelfAttentionModule.parameters().First().dtype);
        ModelFolder.Loaded(modules, folder, weights => ModuleWeights.Load(modules, weights), variant);
        Mount(config, blocks, modules);
    }

    /// <summary>Writes the linear attentions as a checkpoint of their own, which <see cref="LoadLinFusion"/> and the official code read.</summary>
    /// <param name="folder">The folder, created when missing.</param>
    /// <param name="type">The type to write the weights in, or null for their own.</param>
    /// <exception cref="MuralException">The network has no linear attentions or was made ready for inference, or a file cannot be written.</exception>
    public void SaveLinFusion(string folder, ScalarType? type = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        _inference.RequireWeights("saved");
        if (_linFusion is not { } config) throw new MuralException("This UNet has no linear attentions to save; load a LinFusion checkpoint into it, or distil one.");
        ModelFolder.Save(LinearAttentions(), config.ToJson(), folder, type);
    }

    /// <summary>Replaces self-attentions by linear ones in float32 that start from their weights, to be trained (LinFusion specification 3.3).</summary>
    /// <param name="config">Which.</param>
    /// <param name="generator">Draws what does not come from the weights.</param>
    internal void StartLinFusion(LinFusionConfig config, Generator generator)
    {
        _inference.RequireWeights("changed");
        TransformerBlock[] blocks = Find(config, "The config");
        LinFusionModules modules = NewModules(config, blocks, ScalarType.Float32);
        foreach ((TransformerBlock block, TokenMixer attention) in blocks.Zip(modules.Attentions))
        {
            if (block.SelfAttention is not Attention.SelfAttention softmax) throw new InvalidOperationException("Only softmax attentions can be started from.");
            attention.StartFrom(softmax, generator);
        }
        Mount(config, blocks, modules);
    }

    /// <summary>The linear attentions under their checkpoint's names; they stay the network's.</summary>
    internal LinFusionModules LinearAttentions() =>
        new(Find(_linFusion!, "The config").Select(block => (TokenMixer)block.SelfAttention));

    /// <summary>The transformer blocks, with their paths, in the order in which diffusers counts them.</summary>
    internal IEnumerable<(string Name, TransformerBlock Block)> TransformerBlocks() => InDiffusersOrder<TransformerBlock>();

    private static LinFusionModules NewModules(LinFusionConfig config, TransformerBlock[] blocks, ScalarType type) =>
        LinFusionModules.Create(config, new LayerFactory(type, Initialize: false, blocks[0].SelfAttentionModule.parameters().First().device));

    private void Mount(LinFusionConfig config, TransformerBlock[] blocks, LinFusionModules modules)
    {
        foreach ((TransformerBlock block, TokenMixer attention) in blocks.Zip(modules.Attentions)) block.Replace(attention);
        _linFusion = config;
    }

    // The blocks that a config means. Heads tell families of equal widths apart: their weights would fit and paint nothing.
    private TransformerBlock[] Find(LinFusionConfig config, string source)
    {
        Dictionary<string, TransformerBlock> known = TransformerBlocks().ToDictionary(entry => LinFusionConfig.NameOf(entry.Name), entry => entry.Block);
        var blocks = new List<TransformerBlock>();
        foreach (LinFusionModule module in config.Modules)
        {
            if (!known.TryGetValue(module.Name, out TransformerBlock? block))
                throw new MuralException($"{source} replaces {Quote.Name(module.Name)}, which this UNet does not have; use a LinFusion checkpoint of the model's family.");
            if ((block.Channels, block.Heads) != (module.Width, module.Heads))
                throw new MuralException($"{source} was made for {module.Heads} heads in {module.Width} channels at {module.Name}, "
                    + $"but the UNet has {block.Heads} in {block.Channels}; use a LinFusion checkpoint of the model's family.");
            blocks.Add(block);
        }
        return [.. blocks];
    }
}
