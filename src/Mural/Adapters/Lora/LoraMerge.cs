using Mural.Checkpoints;
using Mural.Layers;
using static TorchSharp.torch;

namespace Mural.Adapters.Lora;

/// <summary>A LoRA to apply.</summary>
/// <param name="File">The LoRA.</param>
/// <param name="Weight">How much of it, usually 0 to 1; negative weights turn its effect round.</param>
/// <param name="TextWeight">How much of it for the text encoders, or null for <paramref name="Weight"/>.</param>
internal readonly record struct WeightedLora(LoraFile File, double Weight, double? TextWeight = null);

/// <summary>
/// LoRAs added into the weights of a model (spec stable-diffusion.md 7.3), before or after it was made ready for inference. The layers keep the weights that they had, so that
/// taking LoRAs out again leaves the same bits and not a rounding of them.
/// </summary>
internal sealed class LoraMerge
{
    private const int KeysShown = 4;

    private readonly LoraTargets _targets;
    private readonly string[] _elsewhere;

    /// <param name="components">The model's networks by their folder's name in diffusers' layout: <c>unet</c>, <c>text_encoder</c>, <c>text_encoder_2</c>.</param>
    /// <param name="elsewhere">
    /// The model's other networks, which get their changes apart from these, such as text encoders that are in memory at other times; null for none.
    /// </param>
    internal LoraMerge(IReadOnlyDictionary<string, nn.Module> components, IEnumerable<string>? elsewhere = null)
    {
        _targets = new LoraTargets(components);
        _elsewhere = [.. elsewhere ?? []];
    }

    /// <summary>
    /// Gives the model its own weights plus the changes of these LoRAs; what was applied before is out. Without any, the model has its own weights again, to the bit. Costs
    /// the memory of a copy of the weights that are changed.
    /// </summary>
    /// <param name="loras">The LoRAs; one that is named twice counts twice.</param>
    /// <exception cref="MuralException">A layer of one is none of the model's or of another shape, or a weight is no number; nothing was changed then.</exception>
    internal void Apply(params IReadOnlyList<WeightedLora> loras)
    {
        Dictionary<WeightedLayer, List<Change>> changes = Match(loras);
        foreach (WeightedLayer layer in _targets.Layers)
            if (!changes.ContainsKey(layer)) layer.RestoreWeight();
        Make(changes, keep: true);
    }

    /// <summary>Adds LoRAs for good: the weights as they were are not kept, and count as the changed ones afterwards.</summary>
    /// <param name="loras">The LoRAs; one that is named twice counts twice.</param>
    /// <exception cref="MuralException">A layer of one is none of the model's or of another shape, or a weight is no number; nothing was changed then.</exception>
    internal void ApplyForGood(params IReadOnlyList<WeightedLora> loras) => Make(Match(loras), keep: false);

    private static void Make(Dictionary<WeightedLayer, List<Change>> changes, bool keep)
    {
        foreach ((WeightedLayer layer, List<Change> all) in changes)
        {
            layer.ChangeWeight(weight =>
            {
                foreach (Change change in all) change.AddTo(weight);
            }, keep);
        }
    }

    // By the layers that hold the weights now.
    private Dictionary<WeightedLayer, List<Change>> Match(IReadOnlyList<WeightedLora> loras)
    {
        var changes = new Dictionary<WeightedLayer, List<Change>>();
        foreach (WeightedLora lora in loras)
        {
            if (!double.IsFinite(lora.Weight) || !double.IsFinite(lora.TextWeight ?? 0))
                throw new MuralException(
                    $"The LoRA {lora.File.Path} has the weight {(double.IsFinite(lora.Weight) ? lora.TextWeight : lora.Weight)}; it must be a number, 1 for the whole of it.");
            foreach ((LoraModule module, string component, WeightedLayer layer) in Match(lora.File))
            {
                double scale = component == LoraTargets.UNet ? lora.Weight : lora.TextWeight ?? lora.Weight;
                if (scale == 0) continue;
                (WeightedLayer holder, long row) = layer.Place;
                if (!changes.TryGetValue(holder, out List<Change>? all)) changes.Add(holder, all = []);
                all.Add(new Change(module, scale, row, layer.WeightShape));
            }
        }
        return changes;
    }

    private List<(LoraModule Module, string Component, WeightedLayer Layer)> Match(LoraFile file)
    {
        var found = new List<(LoraModule, string, WeightedLayer)>();
        List<string> missing = [], misshapen = [];
        foreach (LoraModule module in file.Modules)
        {
            if (_elsewhere.Contains(LoraTargets.ComponentOf(module.Key))) continue;
            if (_targets.Find(module.Key) is not var (component, layer)) missing.Add(Quote.Name(module.Key));
            else if (!module.Fits(layer.WeightShape))
                misshapen.Add($"{Quote.Name(module.Key)} changes {module.Describe()} values where the model has {string.Join("x", layer.WeightShape)}");
            else found.Add((module, component, layer));
        }
        if (missing.Count + misshapen.Count == 0) return found;
        string[] parts = [.. new[] { Part("none of the model's", missing), Part("of another shape", misshapen) }.OfType<string>()];
        throw new MuralException(
            $"The LoRA {file.Path} does not fit this model: of its {file.Modules.Count} layers, {string.Join(", and ", parts)}; use one that was made for this family of models.");
    }

    private static string? Part(string what, List<string> keys) => keys.Count == 0
        ? null
        : $"{keys.Count} {(keys.Count == 1 ? "is" : "are")} {what} ({string.Join(", ", keys.Take(KeysShown))}"
            + $"{(keys.Count > KeysShown ? $" and {keys.Count - KeysShown} more" : "")})";

    /// <summary>What a LoRA adds to a weight, or to the rows of one that several layers share.</summary>
    private readonly record struct Change(LoraModule Module, double Scale, long Row, long[] Shape)
    {
        internal void AddTo(Tensor weight)
        {
            using var scope = NewDisposeScope();
            weight.narrow(0, Row, Shape[0]).add_(Module.Change(Shape).to(weight.device), Scale);
        }
    }
}
