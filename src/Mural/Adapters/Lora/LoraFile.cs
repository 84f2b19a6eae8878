using Mural.Checkpoints;

namespace Mural.Adapters.Lora;

/// <summary>
/// A LoRA as its file holds it: changes of layers, by the layers' names there. Files of kohya's trainer, of PEFT and diffusers of any age, and of LyCORIS' LoCon, LoHa and LoKr.
/// </summary>
internal sealed class LoraFile : IDisposable
{
    // Other kinds of adapters, by a part of their tensors' names.
    private static readonly (string Mark, string Kind)[] Foreign =
    [
        (".dora_scale", "DoRA"), (".lora_magnitude_vector", "DoRA"), (".oft_", "OFT"), (".boft_", "BOFT"), (".ia3_", "IA3"), (".diff_b", "full-difference"),
        ("ip_adapter.", "IP-Adapter"), ("control_model.", "ControlNet"),
    ];

    // The same by the end of a name; these letters may stand inside of other names.
    private static readonly (string Mark, string Kind)[] ForeignEndings =
    [
        (".diff", "full-difference"), (".w_norm", "LyCORIS with norms"), (".b_norm", "LyCORIS with norms"), (".on_input", "IA3")
    ];

    // Kinds that are supported, but are not called LoRA.
    private static readonly (string Mark, string Kind)[] LycorisKinds = [(".hada_", "LoHa"), (".lokr_", "LoKr")];

    // Textual inversions that were trained together with the LoRA, which some trainers put into its file: bundle_emb.WORD.clip_l and the like.
    private const string Bundled = "bundle_emb.";

    private LoraFile(string path, IReadOnlyList<LoraModule> modules, IReadOnlyList<string> words)
    {
        Path = path;
        Modules = modules;
        Words = words;
    }

    /// <summary>Where it was read from.</summary>
    internal string Path { get; }

    /// <summary>The changes.</summary>
    internal IReadOnlyList<LoraModule> Modules { get; }

    /// <summary>Words of the textual inversions in the file, which are not read.</summary>
    internal IReadOnlyList<string> Words { get; }

    /// <summary>Reads a file.</summary>
    /// <exception cref="MuralException">It cannot be read, is no LoRA, is one of a kind that Mural does not know, or lacks a part of a layer.</exception>
    internal static LoraFile Open(string path)
    {
        using ITensorSource source = Checkpoint.Open(path);
        if (ForeignKind(source) is { } foreign)
            throw new MuralException($"{path} is of the kind {foreign}, or holds layers of it, where only LoRA, LoCon, LoHa and LoKr are supported; give a file of these.");
        var layers = new Dictionary<string, Dictionary<LoraPart, string>>();
        foreach (string name in source.Tensors.Keys.Where(name => !IsBundled(name)))
        {
            if (LoraKeys.Parse(name) is not var (layer, part)) throw new MuralException($"{path} holds the tensor {Quote.Name(name)}, which no LoRA has; give the file of a LoRA.");
            if (!layers.TryGetValue(layer, out Dictionary<LoraPart, string>? parts)) layers.Add(layer, parts = []);
            if (!parts.TryAdd(part, name))
                throw new MuralException($"{path} holds a part of one layer twice ({Quote.Name(parts[part])} and {Quote.Name(name)}); the file is damaged.");
        }
        if (layers.Count == 0) throw new MuralException($"{path} holds no layers of a LoRA; give the file of one.");
        string[] words = [.. source.Tensors.Keys.Where(IsBundled).Select(name => name[Bundled.Length..].Split('.')[0]).Distinct()];
        var settings = LoraSettings.Read(source);
        var modules = new List<LoraModule>();
        try
        {
            foreach ((string layer, Dictionary<LoraPart, string> parts) in layers) modules.Add(Read(new LoraLayer(source, layer, parts, settings), parts.Keys));
            return new LoraFile(path, modules, words);
        }
        catch
        {
            foreach (LoraModule module in modules) module.Dispose();
            throw;
        }
    }

    /// <summary>The kind of adapter that a checkpoint holds by its tensors' names, such as LoRA or LoKr; null for a checkpoint of something else.</summary>
    internal static string? KindOf(ITensorSource source)
    {
        if (ForeignKind(source) is { } foreign) return foreign;
        string[] layers = [.. source.Tensors.Keys.Where(name => !IsBundled(name))];
        if (layers.Length == 0 || !layers.All(name => LoraKeys.Parse(name) is not null)) return null;
        return LycorisKinds.FirstOrDefault(kind => layers.Any(name => name.Contains(kind.Mark, StringComparison.Ordinal))).Kind ?? "LoRA";
    }

    /// <summary>Lets the changes go; models that have them keep them.</summary>
    public void Dispose()
    {
        foreach (LoraModule module in Modules) module.Dispose();
    }

    // PEFT keeps the scales of LoHa and LoKr where nobody looks for them.
    private static string? ForeignKind(ITensorSource source) =>
        LycorisKinds.FirstOrDefault(kind => source.Tensors.Keys.Any(name =>
            name.StartsWith(LoraKeys.PeftPrefix, StringComparison.Ordinal) && name.Contains(kind.Mark, StringComparison.Ordinal))) is { Kind: { } peft }
            ? peft + " of PEFT"
        : Foreign.FirstOrDefault(kind => source.Tensors.Keys.Any(name => name.Contains(kind.Mark, StringComparison.Ordinal))).Kind
        ?? ForeignEndings.FirstOrDefault(kind => source.Tensors.Keys.Any(name => name.EndsWith(kind.Mark, StringComparison.Ordinal))).Kind;

    private static bool IsBundled(string tensor) => tensor.StartsWith(Bundled, StringComparison.Ordinal);

    private static LoraModule Read(LoraLayer layer, IEnumerable<LoraPart> parts) => parts.Where(part => part != LoraPart.Alpha).DefaultIfEmpty(LoraPart.Down).Max() switch
    {
        >= LoraPart.Kronecker1 => KroneckerModule.Read(layer),
        >= LoraPart.HadamardA1 => HadamardModule.Read(layer),
        _ => ReadLowRank(layer),
    };

    private static LowRankModule ReadLowRank(LoraLayer layer)
    {
        layer.Require([LoraPart.Down, LoraPart.Up], [LoraPart.Middle, LoraPart.Alpha]);
        long[] down = layer.Shape(LoraPart.Down)!, up = layer.Shape(LoraPart.Up)!;
        long[]? middle = layer.Shape(LoraPart.Middle);
        bool factors = down.Length is 2 or 4 && !down.Contains(0) && IsFlat(up) && up[0] > 0;
        bool chained = factors && (middle is null ? up[1] == down[0] : middle.Length == 4 && middle[0] == up[1] && middle[1] == down[0] && IsFlat(down));
        if (!chained)
            throw layer.Damaged($"with factors of {layer.Shapes(LoraPart.Down, LoraPart.Up)}{(middle is null ? "" : $" around {Sizes.Text(middle)}")}, which have no product");
        double scale = layer.Scale(down[0]);
        return new LowRankModule(layer.Name, layer.Load(LoraPart.Down), layer.Load(LoraPart.Up), middle is null ? null : layer.Load(LoraPart.Middle), scale);
    }

    private static bool IsFlat(long[] shape) => shape is [_, _] or [_, _, 1, 1];
}
