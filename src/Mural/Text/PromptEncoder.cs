using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Text;

/// <summary>A prompt; SDXL's second encoder may be told something else.</summary>
internal sealed record Prompt(string Text, string? SecondText = null);

/// <summary>What a denoiser is told of prompts.</summary>
/// <param name="Context">A vector for each token, those of all encoders side by side. Shape: <c>[B, windows times their length, D]</c>.</param>
/// <param name="Pooled">The last encoder's pooled vector of each prompt's first window, where it has a projection. Shape: <c>[B, P]</c>.</param>
internal sealed record EncodedPrompts(Tensor Context, Tensor? Pooled) : IDisposable
{
    public void Dispose()
    {
        Context.Dispose();
        Pooled?.Dispose();
    }
}

/// <summary>A text encoder of a pipeline, by its folder's name, its tokenizer, and the layer that the denoiser was trained on.</summary>
internal sealed record TextStage(string Name, ClipTokenizer Tokenizer, ClipTextEncoder Encoder, HiddenState State);

/// <summary>Prompts to what a denoiser attends to, by the one text encoder of SD 1 and 2 or the two of SDXL (spec 4.2, 4.5).</summary>
internal sealed class PromptEncoder
{
    private readonly IReadOnlyList<TextStage> _stages;

    /// <param name="stages">The encoders in their order; all must be of one type and device.</param>
    /// <param name="syntax">How prompts are read.</param>
    /// <exception cref="MuralException">A tokenizer has more tokens than its encoder, or windows of another length.</exception>
    internal PromptEncoder(IReadOnlyList<TextStage> stages, PromptSyntax syntax = PromptSyntax.Weighted)
    {
        foreach (TextStage stage in stages)
        {
            if (stage.Tokenizer.WindowLength != stage.Encoder.Config.Positions)
                throw new MuralException($"The tokenizer fills windows of {stage.Tokenizer.WindowLength} tokens, "
                    + $"but the text encoder has {stage.Encoder.Config.Positions} positions; use the tokenizer files that belong to this model.");
            if (stage.Tokenizer.VocabularySize > stage.Encoder.TokenCount)
                throw new MuralException($"The tokenizer has {stage.Tokenizer.VocabularySize} tokens, but the text encoder only {stage.Encoder.TokenCount}; "
                    + $"use the tokenizer files that belong to this model.");
        }
        _stages = stages;
        Syntax = syntax;
    }

    /// <summary>How prompts are read.</summary>
    internal PromptSyntax Syntax { get; }

    /// <summary>
    /// Lets the word of a textual inversion stand for its vectors. As in the programs whose prompts these are, it is found inside longer words where every character
    /// means itself, and not where prompts are weighted.
    /// </summary>
    /// <exception cref="MuralException">It was made for another model, or its word is taken.</exception>
    internal void Add(TextualInversion inversion)
    {
        // Found for all encoders before any is changed.
        Tensor[] vectors = [.. _stages.Select(stage => VectorsFor(stage, inversion))];
        foreach ((TextStage stage, Tensor own) in _stages.Zip(vectors))
            stage.Tokenizer.AddWord(inversion.Word, stage.Encoder.TokenCount, (int)own.shape[0], insideWords: Syntax == PromptSyntax.Plain);
        foreach ((TextStage stage, Tensor own) in _stages.Zip(vectors)) stage.Encoder.AddVectors(own);
    }

    /// <summary>Windows that the longest of these prompts takes.</summary>
    internal int CountWindows(IEnumerable<Prompt> prompts) => prompts.SelectMany(prompt => _stages.Select((stage, i) => Split(stage, i, prompt).Count)).DefaultIfEmpty(1).Max();

    /// <summary>Encodes prompts, all of which get as many windows as the longest.</summary>
    /// <param name="prompts">At least one.</param>
    /// <param name="clipSkip">Layers to leave out beyond those that the model leaves out itself; 0 for none.</param>
    /// <param name="leastWindows">Windows that every prompt is filled up to, so that other prompts can be as long: see <see cref="CountWindows"/>.</param>
    /// <exception cref="MuralException">A prompt cannot be read, or more layers are left out than there are.</exception>
    internal EncodedPrompts Encode(IReadOnlyList<Prompt> prompts, int clipSkip = 0, int leastWindows = 1)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        int windows = Math.Max(leastWindows, CountWindows(prompts));
        EncodedPrompts[] parts = [.. _stages.Select((stage, i) => Encode(stage, i, prompts, clipSkip, windows))];
        Tensor context = parts.Length == 1 ? parts[0].Context : cat([.. parts.Select(part => part.Context)], -1);
        return new EncodedPrompts(context.MoveToOuterDisposeScope(), parts[^1].Pooled?.MoveToOuterDisposeScope());
    }

    // All windows of all prompts are one batch.
    private EncodedPrompts Encode(TextStage stage, int index, IReadOnlyList<Prompt> prompts, int clipSkip, int windows)
    {
        var all = new List<PromptWindow>();
        foreach (Prompt prompt in prompts)
        {
            all.AddRange(Split(stage, index, prompt));
            while (all.Count % windows != 0) all.Add(PromptWindows.Empty(stage.Tokenizer));
        }
        Tensor ids = tensor([.. all.SelectMany(window => window.Ids)], [all.Count, stage.Tokenizer.WindowLength], device: stage.Encoder.Device);
        bool projected = stage.Encoder.Config.ProjectionSize is not null;
        EncodedWindows encoded = stage.Encoder.Encode(ids, stage.State.Skip(clipSkip), pooled: projected);
        Tensor context = Weighted(encoded.Context, all).reshape(prompts.Count, windows * stage.Tokenizer.WindowLength, -1);
        return new EncodedPrompts(context, encoded.Pooled?.view(prompts.Count, windows, -1).select(1, 0).contiguous());
    }

    private IReadOnlyList<PromptWindow> Split(TextStage stage, int index, Prompt prompt) =>
        PromptWindows.Split(stage.Tokenizer, index == 0 ? prompt.Text : prompt.SecondText ?? prompt.Text, Syntax);

    // A1111's "original" emphasis: each vector times its weight, then the whole window scaled back to its mean.
    private static Tensor Weighted(Tensor context, List<PromptWindow> windows)
    {
        if (!windows.Any(window => window.IsWeighted)) return context;
        Tensor[] weighted = [.. windows.Select((window, i) =>
        {
            Tensor vectors = context[i];
            if (!window.IsWeighted) return vectors;
            Tensor before = vectors.to(ScalarType.Float32);
            Tensor after = before * tensor(window.Weights, [window.Weights.Length, 1], device: vectors.device);
            return (after * (before.mean() / after.mean())).to(vectors.dtype);
        })];
        return stack(weighted);
    }

    private static Tensor VectorsFor(TextStage stage, TextualInversion inversion) =>
        inversion.Vectors.FirstOrDefault(vectors => vectors.shape[1] == stage.Encoder.Config.Transformer.Width)
        ?? throw new MuralException($"{inversion.Path} holds vectors of {string.Join(" and ", inversion.Vectors.Select(vectors => vectors.shape[1]))} features, "
            + $"but a text encoder of this model takes {stage.Encoder.Config.Transformer.Width}; use a textual inversion made for this model.");
}
