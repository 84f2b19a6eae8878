using Mural.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>Turns a request's prompts into what the network is told at each of its calls.</summary>
/// <param name="encoder">The text encoders.</param>
/// <param name="sizes">How many size numbers the network takes; 0 before SDXL.</param>
/// <param name="zerosForNoNegative">Whether a missing negative prompt stands for zeros.</param>
/// <param name="secondOnly">Whether the only encoder is the one that SDXL's second prompts are for.</param>
internal sealed class TextConditioner(PromptEncoder encoder, int sizes, bool zerosForNoNegative, bool secondOnly)
{
    private readonly Dictionary<Prompt, (Tensor Context, Tensor? Pooled)> _positives = [], _negatives = [];
    private readonly List<Tensor> _tensors = [];

    /// <exception cref="MuralException">A prompt cannot be read, or more layers are left out than there are.</exception>
    internal TextTimeline Encode(StableDiffusionPlan plan)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        StableDiffusionRequest request = plan.Request;
        IReadOnlyList<WeightedPrompt> joined = Joined((secondOnly ? request.SecondPrompt : null) ?? request.Prompt, encoder.Syntax);
        bool guided = IsGuided(plan, joined), zeros = zerosForNoNegative && request.NegativePrompt is null;
        Part[] parts = Parts(plan, joined);
        Prompt Positive(WeightedPrompt prompt) => new(prompt.Text, request.SecondPrompt);
        Prompt Negative(string text) => new(text, request.SecondNegativePrompt);
        Prompt[] positives = [.. parts.SelectMany(part => part.Positives).Select(Positive).Distinct()];
        Prompt[] negatives = guided && !zeros ? [.. parts.Select(part => Negative(part.Negative)).Distinct()] : [];
        EncodeAll(positives, negatives, request);

        (Tensor? positiveSizes, Tensor? negativeSizes) = SizeNumbers(plan);
        var known = new Dictionary<(string, string), GuidingTexts>();
        var timeline = new List<(int, GuidingTexts)>();
        foreach ((int last, IReadOnlyList<WeightedPrompt> texts, string negative) in parts)
        {
            var key = (string.Join('\n', texts), negative);
            if (!known.TryGetValue(key, out GuidingTexts? guiding))
            {
                GuidingText[] followed = [.. texts.Select(text => Guiding(_positives[Positive(text)], positiveSizes, text.Weight, isNegative: false))];
                GuidingText? led = !guided ? null : Guiding(zeros ? Zeros(followed[0]) : _negatives[Negative(negative)], negativeSizes, 1, isNegative: true);
                known.Add(key, guiding = new GuidingTexts(led, followed));
            }
            timeline.Add((last, guiding));
        }
        foreach (Tensor tensor in _tensors) tensor.DetachFromDisposeScope();
        return new TextTimeline(timeline, _tensors);
    }

    /// <summary>Whether a run is led away from the negative prompt: without guidance a single prompt is followed alone, several are led away from it even then.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="joined">The prompts that AND joins.</param>
    internal static bool IsGuided(StableDiffusionPlan plan, IReadOnlyList<WeightedPrompt> joined) => plan.ClassifierFreeScale > 1 || joined is not [{ Weight: 1 }];

    /// <summary>The texts that a prompt is in a run of so many calls, where it is one of those that AND joins.</summary>
    internal static IReadOnlyList<ScheduledPrompt> Scheduled(string prompt, int calls, PromptSyntax syntax)
    {
        PromptLimits.Check(prompt);
        return syntax == PromptSyntax.Weighted ? PromptSchedule.Parse(prompt, calls) : [new ScheduledPrompt(calls, prompt)];
    }

    /// <summary>The prompts that AND joins. As in A1111 it does so before brackets are looked at: each prompt changes by itself, and none holds an AND of its own.</summary>
    internal static IReadOnlyList<WeightedPrompt> Joined(string prompt, PromptSyntax syntax) =>
        syntax == PromptSyntax.Weighted ? PromptConjunction.Split(prompt) : [new WeightedPrompt(prompt, 1)];

    private static string TextAt(IReadOnlyList<ScheduledPrompt> prompts, int step) => prompts.First(prompt => step <= prompt.LastStep || prompt == prompts[^1]).Text;

    // The texts from one change to the next, whichever of the prompts it is that changes.
    private Part[] Parts(StableDiffusionPlan plan, IReadOnlyList<WeightedPrompt> joined)
    {
        StableDiffusionRequest request = plan.Request;
        IReadOnlyList<ScheduledPrompt>[] prompts = [.. joined.Select(prompt => Scheduled(prompt.Text, plan.RunCalls, encoder.Syntax))];
        IReadOnlyList<ScheduledPrompt> negatives = Scheduled((secondOnly ? request.SecondNegativePrompt : null) ?? request.NegativePrompt ?? "", plan.RunCalls, encoder.Syntax);
        IReadOnlyList<WeightedPrompt> TextsAt(int last) => [.. joined.Zip(prompts, (prompt, texts) => prompt with { Text = TextAt(texts, last) })];
        // What ends at step 0 is not used at all.
        IEnumerable<int> changes = prompts.Append(negatives).SelectMany(texts => texts).Select(prompt => prompt.LastStep).Where(last => last > 0).Distinct().Order();
        return [.. changes.Select(last => new Part(last, TextsAt(last), TextAt(negatives, last)))];
    }

    // All are as long as the longest, or they could not be one batch.
    private void EncodeAll(Prompt[] positives, Prompt[] negatives, StableDiffusionRequest request)
    {
        int windows = encoder.CountWindows(positives.Concat(negatives));
        Encode(positives, request.ClipSkip, windows, _positives);
        if (negatives.Length > 0) Encode(negatives, request.NegativeClipSkip ?? request.ClipSkip, windows, _negatives);
    }

    private void Encode(Prompt[] prompts, int clipSkip, int windows, Dictionary<Prompt, (Tensor, Tensor?)> results)
    {
        EncodedPrompts encoded = encoder.Encode(prompts, clipSkip, windows);
        for (int i = 0; i < prompts.Length; i++)
            results.Add(prompts[i], (Kept(encoded.Context.narrow(0, i, 1)), sizes > 0 && encoded.Pooled is { } pooled ? Kept(pooled.narrow(0, i, 1)) : null));
    }

    private (Tensor, Tensor?) Zeros(GuidingText like) => (Kept(zeros_like(like.Context)), like.Pooled is { } pooled ? Kept(zeros_like(pooled)) : null);

    private static GuidingText Guiding((Tensor Context, Tensor? Pooled) text, Tensor? sizes, double weight, bool isNegative) =>
        new(text.Context, text.Pooled, sizes, weight, isNegative);

    private (Tensor? Positive, Tensor? Negative) SizeNumbers(StableDiffusionPlan plan)
    {
        StableDiffusionRequest request = plan.Request;
        Tensor? positive = SizeNumbers(request.Sizes, plan, negative: false);
        if (request.NegativeSizes is null && sizes == SizeConditioning.Numbers) return (positive, positive);
        return (positive, SizeNumbers(request.NegativeSizes ?? request.Sizes with { AestheticScore = null, Crop = (0, 0) }, plan, negative: true));
    }

    // Original height and width, the crop's top and left, and the target's height and width, or of the refiner the score.
    private Tensor? SizeNumbers(SizeConditioning given, StableDiffusionPlan plan, bool negative)
    {
        if (sizes == 0) return null;
        (int Height, int Width) result = (plan.Height, plan.Width), original = given.Original ?? result, target = given.Target ?? result;
        double[] frame = [original.Height, original.Width, given.Crop.Top, given.Crop.Left];
        double[] rest = sizes == SizeConditioning.Numbers
            ? [target.Height, target.Width]
            : [given.AestheticScore ?? (negative ? SizeConditioning.UsualNegativeScore : SizeConditioning.UsualScore)];
        return Kept(tensor([.. frame.Concat(rest).Select(number => (float)number)], [1, sizes]));
    }

    private Tensor Kept(Tensor tensor)
    {
        _tensors.Add(tensor);
        return tensor;
    }

    /// <summary>The texts up to a call, the last of them.</summary>
    private sealed record Part(int LastCall, IReadOnlyList<WeightedPrompt> Positives, string Negative);
}
