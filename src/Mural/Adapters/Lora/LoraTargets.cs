using Mural.Checkpoints.SingleFile;
using Mural.Layers;
using static TorchSharp.torch;

namespace Mural.Adapters.Lora;

/// <summary>
/// The layers of a model that LoRAs can change, by every name that files have for them. Underscores in kohya's names may stand for dots or for themselves, so names are
/// looked up, never taken apart.
/// </summary>
internal sealed class LoraTargets
{
    internal const string UNet = SingleFileLayout.UNet;

    private const string Weight = ".weight", Output = ".to_out.0", Text = "text_model.";

    private readonly Dictionary<string, (string Component, WeightedLayer Layer)> _layers = [];

    /// <param name="components">The model's networks by their folder's name: <c>unet</c>, <c>text_encoder</c>, <c>text_encoder_2</c>.</param>
    internal LoraTargets(IReadOnlyDictionary<string, nn.Module> components)
    {
        foreach ((string component, nn.Module module) in components)
        {
            // A child is listed under each of its names, its registered one first.
            (string Name, WeightedLayer Layer)[] layers =
            [
                .. module.named_modules().Where(child => child.module is WeightedLayer).DistinctBy(child => child.module)
                    .Select(child => (child.name, (WeightedLayer)child.module))
            ];
            UNetNames? originals = component == UNet ? UNetNames.OfDiffusers(layers.Select(layer => layer.Name + Weight)) : null;
            foreach ((string name, WeightedLayer layer) in layers)
            {
                foreach (string path in Paths(name))
                    foreach (string prefix in Prefixes(component)) _layers.TryAdd(prefix + Flat(path), (component, layer));
                if (originals?.ToOriginal(name + Weight) is not { } original) continue;
                foreach (string prefix in (string[])["lora_unet_", "unet_", "diffusion_model_"]) _layers.TryAdd(prefix + Flat(original[..^Weight.Length]), (component, layer));
            }
        }
    }

    /// <summary>The layers whose weights can be changed, each once: where several were joined to one, that one.</summary>
    internal IEnumerable<WeightedLayer> Layers => _layers.Values.Select(known => known.Layer.Place.Layer).Distinct();

    /// <summary>The layer that a file's name means; null where the model has none.</summary>
    internal (string Component, WeightedLayer Layer)? Find(string layer) => _layers.TryGetValue(Flat(layer), out (string, WeightedLayer) found) ? found : null;

    /// <summary>The network that a file's name of a layer is meant for, whether the model has it or not.</summary>
    internal static string ComponentOf(string layer)
    {
        string flat = Flat(layer);
        // A later name of a network begins with an earlier one's.
        string[] known = [SingleFileLayout.SecondTextEncoder, SingleFileLayout.TextEncoder];
        return known.FirstOrDefault(component => Prefixes(component).Any(prefix => flat.StartsWith(prefix, StringComparison.Ordinal))) ?? UNet;
    }

    // Some files leave out what every layer of a text encoder begins with, or the number of the only output layer.
    private static IEnumerable<string> Paths(string path)
    {
        yield return path;
        if (path.StartsWith(Text, StringComparison.Ordinal)) yield return path[Text.Length..];
        if (path.EndsWith(Output, StringComparison.Ordinal)) yield return path[..^".0".Length];
    }

    private static string[] Prefixes(string component) => component switch
    {
        // The oldest files name the UNet's layers without any prefix. SimpleTuner writes one of its own, and ComfyUI, for text encoders, where they lie in its models.
        UNet => ["lora_unet_", "unet_", "lycoris_", ""],
        SingleFileLayout.TextEncoder => ["lora_te_", "lora_te1_", "text_encoder_", "text_encoders_clip_l_transformer_", "text_encoders_clip_h_transformer_"],
        _ => ["lora_te2_", "text_encoder_2_", "text_encoders_clip_g_transformer_"],
    };

    private static string Flat(string path) => path.Replace('.', '_');
}
