using Mural.UNet;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>
/// What one network has made of the texts, kept for as long as they are used: keys and values of a group of texts are computed once, not at each step.
/// </summary>
/// <param name="prepare">The network's own preparation.</param>
/// <param name="guidance">The guidance scale that the network itself takes, or null.</param>
internal sealed class PreparedTexts(Func<UNetConditioning, PreparedPrompt> prepare, double? guidance = null) : IDisposable
{
    private readonly Dictionary<(IReadOnlyList<GuidingText> Group, int Batch), PreparedPrompt> _prepared = [];
    private GuidingTexts? _texts;

    /// <summary>Adds what is attended to beside the text.</summary>
    internal Action<PreparedPrompt, IReadOnlyList<GuidingText>, int>? Extend { get; init; }

    /// <summary>Lets go of what was made of other texts.</summary>
    internal void Use(GuidingTexts texts)
    {
        if (ReferenceEquals(texts, _texts)) return;
        Clear();
        _texts = texts;
    }

    /// <summary>A group of texts for a batch of latents: those of the first text, then those of the next.</summary>
    internal PreparedPrompt Of(IReadOnlyList<GuidingText> group, int batch)
    {
        // One text serves any number of latents.
        int copies = group.Count == 1 ? 1 : batch;
        if (_prepared.TryGetValue((group, copies), out PreparedPrompt? known)) return known;
        using DisposeScope scope = NewDisposeScope();
        Tensor Rows(Func<GuidingText, Tensor> part) => cat([.. group.SelectMany(text => Enumerable.Repeat(part(text), copies))]);
        PreparedPrompt prompt = prepare(new UNetConditioning(Rows(text => text.Context))
        {
            PooledText = group[0].Pooled is null ? null : Rows(text => text.Pooled!),
            SizeNumbers = group[0].Sizes is null ? null : Rows(text => text.Sizes!),
            GuidanceScale = guidance,
        });
        _prepared.Add((group, copies), prompt);
        Extend?.Invoke(prompt, group, copies);
        return prompt;
    }

    public void Dispose() => Clear();

    private void Clear()
    {
        foreach (PreparedPrompt prompt in _prepared.Values) prompt.Dispose();
        _prepared.Clear();
    }
}
