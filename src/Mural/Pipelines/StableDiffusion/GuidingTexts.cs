using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>What the network is told of one text.</summary>
/// <param name="Context">Shape: <c>[1, T, D]</c>.</param>
/// <param name="Pooled">For the SDXL family. Shape: <c>[1, P]</c>.</param>
/// <param name="Sizes">For the SDXL family. Shape: <c>[1, 6]</c>, of its refiner <c>[1, 5]</c>.</param>
/// <param name="Weight">How strongly it guides among several; that of the negative one counts for nothing.</param>
/// <param name="IsNegative">Whether the picture is led away from it.</param>
internal sealed record GuidingText(Tensor Context, Tensor? Pooled, Tensor? Sizes, double Weight, bool IsNegative);

/// <summary>The texts of one network call, in the groups that are run together.</summary>
internal sealed class GuidingTexts
{
    internal GuidingTexts(GuidingText? negative, IReadOnlyList<GuidingText> positives)
    {
        Positives = positives;
        All = negative is null ? positives : [negative, .. positives];
        Each = [.. All.Select(text => (IReadOnlyList<GuidingText>)[text])];
        HasNegative = negative is not null;
    }

    /// <summary>Whether there is a text to be led away from.</summary>
    internal bool HasNegative { get; }

    /// <summary>The texts that are followed: one, or several that AND joins.</summary>
    internal IReadOnlyList<GuidingText> Positives { get; }

    /// <summary>The negative text, if any, and then the others: the order of diffusers' batches.</summary>
    internal IReadOnlyList<GuidingText> All { get; }

    /// <summary>The same, one by one.</summary>
    internal IReadOnlyList<IReadOnlyList<GuidingText>> Each { get; }
}

/// <summary>The texts of a whole run, which may change on the way.</summary>
internal sealed class TextTimeline(IReadOnlyList<(int LastCall, GuidingTexts Texts)> parts, IReadOnlyList<Tensor> tensors) : IDisposable
{
    /// <summary>The texts of a call, counted from 0 where the last calls of texts are counted from 1: as in A1111, a text holds for one call more than its step says.</summary>
    internal GuidingTexts At(int call) => parts.First(part => call <= part.LastCall || part == parts[^1]).Texts;

    public void Dispose()
    {
        foreach (Tensor tensor in tensors) tensor.Dispose();
    }
}
