using Mural.Layers;

namespace Mural.LinFusion;

/// <summary>
/// The attentions of a checkpoint under the names that it has for them: "index.parameter" (spec 2.3). They belong to the UNet that they are mounted in, or that they come
/// from; only attentions that were never mounted are freed with it.
/// </summary>
internal sealed class LinFusionModules : NamedModule
{
    internal LinFusionModules(IEnumerable<TokenMixer> attentions) : base("LinFusion")
    {
        Attentions = [.. attentions.Select((attention, index) => this.Register($"{index}", attention))];
    }

    /// <summary>New attentions, not mounted anywhere.</summary>
    internal static LinFusionModules Create(LinFusionConfig config, LayerFactory layers) =>
        new(config.Modules.Select(module => TokenMixer.Create(config.Mixer, module, layers)));

    internal IReadOnlyList<TokenMixer> Attentions { get; }
}
