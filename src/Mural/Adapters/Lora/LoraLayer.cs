using Mural.Checkpoints;
using static TorchSharp.torch;

namespace Mural.Adapters.Lora;

/// <summary>The tensors that a file has for one layer.</summary>
/// <param name="source">The file.</param>
/// <param name="name">The layer's name there.</param>
/// <param name="parts">The tensors' names.</param>
/// <param name="settings">What the file's settings say of scales.</param>
internal sealed class LoraLayer(ITensorSource source, string name, IReadOnlyDictionary<LoraPart, string> parts, LoraSettings settings)
{
    internal string Name => name;

    /// <summary>The shape of a part, or null where there is none.</summary>
    internal long[]? Shape(LoraPart part) => parts.TryGetValue(part, out string? stored) ? source.Tensors[stored].Shape : null;

    /// <summary>Reads a part; it belongs to the caller.</summary>
    internal Tensor Load(LoraPart part) => source.Read(parts[part]).DetachFromDisposeScope();

    /// <summary>α / r; 1 where nobody says α.</summary>
    /// <exception cref="MuralException">α is not one number.</exception>
    internal double Scale(long rank)
    {
        double? alpha = parts.TryGetValue(LoraPart.Alpha, out string? own) ? Scalar(own) : settings.Alpha(name, rank);
        // kohya's trainer takes 0 for "the rank".
        return alpha is null or 0 ? 1 : alpha.Value / rank;
    }

    /// <summary>Checks that all that is needed is there, and nothing that belongs to another kind.</summary>
    /// <exception cref="MuralException">It is not.</exception>
    internal void Require(LoraPart[] needed, LoraPart[] optional)
    {
        if (!needed.All(parts.ContainsKey))
            throw new MuralException(
                $"{source.Path} holds only a part of the layer {Quote.Name(name)} ({string.Join(", ", parts.Select(part => Short(part.Key, part.Value)))}); the file is damaged.");
        LoraPart[] others = [.. parts.Keys.Except(needed).Except(optional)];
        if (others.Length > 0) throw Damaged($"as two kinds at once ({string.Join(", ", others.Select(part => Quote.Name(parts[part])))})");
    }

    /// <summary>Shapes of parts, for messages.</summary>
    internal string Shapes(params IEnumerable<LoraPart> shown) => string.Join(" and ", shown.Select(part => Sizes.Text(Shape(part) ?? [])));

    internal MuralException Damaged(string how) => new($"{source.Path} holds the layer {Quote.Name(name)} {how}; the file is damaged.");

    private static string Short(LoraPart part, string stored) => part > LoraPart.Alpha ? stored[(stored.LastIndexOf('.') + 1)..] : part.ToString().ToLowerInvariant();

    private double Scalar(string stored)
    {
        using Tensor value = source.Read(stored, ScalarType.Float64);
        double alpha = value.numel() == 1 ? value.data<double>()[0] : double.NaN;
        return double.IsFinite(alpha) ? alpha : throw new MuralException($"{source.Path} holds {Quote.Name(stored)}, which is not one number; the file is damaged.");
    }
}
