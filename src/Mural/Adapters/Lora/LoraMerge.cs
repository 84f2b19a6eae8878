using Mural.Checkpoints;
using static TorchSharp.torch;

namespace Mural.Adapters.Lora;

/// <summary>A LoRA to apply.</summary>
/// <param name="File">The LoRA.</param>
/// <param name="Weight">How much of it, usually 0 to 1; negative weights turn its effect round.</param>
/// <param name="TextWeight">How much of it for the text encoders, or null for <paramref name="Weight"/>.</param>
internal readonly record struct WeightedLora(LoraFile File, double Weight, double? TextWeight = null);

/// <summary>
/// LoRAs added into the weights of a model that was not made ready for inference yet (spec stable-diffusion.md 7.3). The weights as they were are kept beside, so that taking
/// LoRAs out again leaves the same bits and not a rounding of them.
/// </summary>
internal sealed class LoraMerge : IDisposable
{
    private const int KeysShown = 4;

    private readonly Dictionary<Tensor, Tensor> _originals = new(ReferenceEqualityComparer.Instance);
    private readonly LoraTargets _targets;
    private readonly bool _keepOriginals;
    private readonly string[] _elsewhere;
    private bool _final;

    /// <param name="components">The model's networks by their folder's name in diffusers' layout: <c>unet</c>, <c>text_encoder</c>, <c>text_encoder_2</c>.</param>
    /// <param name="keepOriginals">Whether LoRAs shall be taken out or exchanged later, which costs the memory of a copy of all weights that they change.</param>
    /// <param name="elsewhere">The model's other networks, which get their changes apart from these, such as text encoders that are in memory at other times; null for none.</param>
    /// <exception cref="MuralException">A network was made ready for inference.</exception>
    internal LoraMerge(IReadOnlyDictionary<string, nn.Module> components, bool keepOriginals = true, IEnumerable<string>? elsewhere = null)
    {
        _targets = new LoraTargets(components);
        _keepOriginals = keepOriginals;
        _elsewhere = [.. elsewhere ?? []];
    }

    /// <summary>
    /// Gives the model its own weights plus the changes of these LoRAs; what was applied before is out. Without any, the model has its own weights again, to the bit.
    /// </summary>
    /// <param name="loras">The LoRAs; one that is named twice counts twice.</param>
    /// <exception cref="MuralException">A layer of one is none of the model's or of another shape; nothing was changed then. Or originals were not kept and these are not the first.</exception>
    internal void Apply(params IReadOnlyList<WeightedLora> loras)
    {
        var changes = new Dictionary<Tensor, List<(LoraModule Module, double Scale)>>(ReferenceEqualityComparer.Instance);
        foreach (WeightedLora lora in loras)
        {
            foreach ((LoraModule module, string component, Tensor weight) in Match(lora.File))
            {
                double scale = component == LoraTargets.UNet ? lora.Weight : lora.TextWeight ?? lora.Weight;
                if (scale == 0) continue;
                if (!changes.TryGetValue(weight, out List<(LoraModule, double)>? all)) changes.Add(weight, all = []);
                all.Add((module, scale));
            }
        }
        if (_final) throw new MuralException("LoRAs were merged for good into this model; load it again to change them.");
        _final = !_keepOriginals && changes.Count > 0;
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        foreach ((Tensor weight, Tensor original) in _originals) weight.detach().copy_(original);
        foreach ((Tensor weight, List<(LoraModule Module, double Scale)> all) in changes) Add(weight, all);
    }

    /// <summary>Forgets the weights as they were; the LoRAs stay in.</summary>
    public void Dispose()
    {
        foreach (Tensor original in _originals.Values) original.Dispose();
        _originals.Clear();
        _final = true;
    }

    // Summed in float32, so that weights of reduced precision are rounded once, however many LoRAs there are.
    private void Add(Tensor weight, List<(LoraModule Module, double Scale)> changes)
    {
        using var scope = NewDisposeScope();
        Tensor plain = weight.detach();
        if (_keepOriginals && !_originals.ContainsKey(weight)) _originals.Add(weight, plain.clone().DetachFromDisposeScope());
        Tensor sum = zeros(weight.shape);
        foreach ((LoraModule module, double scale) in changes) sum.add_(module.Change(weight.shape), scale);
        plain.copy_(plain.to(float32).add(sum.to(weight.device)));
    }

    private List<(LoraModule Module, string Component, Tensor Weight)> Match(LoraFile file)
    {
        var found = new List<(LoraModule, string, Tensor)>();
        List<string> missing = [], misshapen = [];
        foreach (LoraModule module in file.Modules)
        {
            if (_elsewhere.Contains(LoraTargets.ComponentOf(module.Key))) continue;
            if (_targets.Find(module.Key) is not var (component, weight)) missing.Add(Quote.Name(module.Key));
            else if (!module.Fits(weight.shape)) misshapen.Add($"{Quote.Name(module.Key)} changes {module.Describe()} values where the model has {string.Join("x", weight.shape)}");
            else found.Add((module, component, weight));
        }
        if (missing.Count + misshapen.Count == 0) return found;
        string[] parts = [.. new[] { Part("none of the model's", missing), Part("of another shape", misshapen) }.OfType<string>()];
        throw new MuralException($"The LoRA {file.Path} does not fit this model: of its {file.Modules.Count} layers, {string.Join(", and ", parts)}; use one that was made for this family of models.");
    }

    private static string? Part(string what, List<string> keys) => keys.Count == 0
        ? null
        : $"{keys.Count} {(keys.Count == 1 ? "is" : "are")} {what} ({string.Join(", ", keys.Take(KeysShown))}{(keys.Count > KeysShown ? $" and {keys.Count - KeysShown} more" : "")})";
}
