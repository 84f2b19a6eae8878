using System.Globalization;
using Mural.DiM;

namespace Mural.Pipelines;

/// <summary>Settles a request: which words, which size, which settings (and says what is wrong or unwise).</summary>
internal sealed class DiMPlanner(DiMModelIndex index, DiMConfig config, Vocabulary? vocabulary, int pixelsPerValue, bool upscales)
{
    /// <summary>Sides in pixels are multiples of this.</summary>
    private int TokenPixels => config.PatchSize * pixelsPerValue;

    /// <exception cref="MuralException">The request cannot be fulfilled.</exception>
    internal DiMPlan Plan(DiMRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        RequestChecks.CheckNumbers(request.Count, request.Steps, request.Guidance);
        if (request.Upscale < 1) throw new MuralException($"An upscaling of {request.Upscale} was asked for; it is a whole number from 1.");
        if (request.Upscale > 1 && !upscales) throw new MuralException($"{index.Name} paints pixels, but upscaling needs a model of latents; paint without it.");
        (IReadOnlyList<int> labels, IReadOnlyList<string> words, IReadOnlyList<string> ignored) = vocabulary is null ? Class(request.Prompt) : Words(request.Prompt, vocabulary);
        TokenGrid trained = config.TrainedGrid;
        int width = request.Width ?? trained.Columns * TokenPixels, height = request.Height ?? trained.Rows * TokenPixels;
        RequestChecks.CheckSides(width, height, TokenPixels, index.Name);
        RequestChecks.CheckArea(width, height, request.Upscale);
        return new DiMPlan
        {
            Request = request,
            Words = words,
            IgnoredWords = ignored,
            Labels = labels,
            Width = width * request.Upscale,
            Height = height * request.Upscale,
            Steps = request.Steps ?? request.Solver?.Steps ?? index.Steps,
            Guidance = request.Guidance ?? (request.Upscale > 1 ? index.UpscaleGuidance ?? index.Guidance : index.Guidance),
            UpsampleGuidance = UpsampleGuidance(request),
            Warnings = Warnings(request, width, height, trained),
        };
    }

    private UpsampleGuidanceOptions UpsampleGuidance(DiMRequest request)
    {
        UpsampleGuidanceOptions options = request.UpsampleGuidance ?? new();
        if (request.UpsampleGuidance is null && index.UpscaleShare is { } share) options = options with { Share = share };
        return options with { Factor = request.Upscale };
    }

    private (IReadOnlyList<int>, IReadOnlyList<string>, IReadOnlyList<string>) Words(string prompt, Vocabulary known)
    {
        VocabularyMatch match = known.Match(prompt);
        if (match.Indices.Count == 0 && match.Ignored.Count > 0)
            throw new MuralException($"None of the words of \"{prompt}\" are among the {known.Count} that {index.Name} knows; use others, or an empty prompt for anything.");
        bool complete = match.Matched.Any(word => index.WordsNeedingDefault.Contains(word, StringComparer.OrdinalIgnoreCase));
        IEnumerable<int> added = complete ? [] : index.DefaultWords.Select(known.IndexOf).Except(match.Indices);
        int[] labels = [.. match.Indices, .. added];
        return (labels, [.. labels.Select(label => known.Words[label])], match.Ignored);
    }

    private (IReadOnlyList<int>, IReadOnlyList<string>, IReadOnlyList<string>) Class(string prompt)
    {
        string text = prompt.Trim();
        if (text.Length == 0) return ([], [], []);
        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int label) || label >= config.Classes)
            throw new MuralException($"The prompt is \"{prompt}\", but {index.Name} has numbered classes and no words; give a number from 0 to {config.Classes - 1}, or nothing.");
        return ([label], [text], []);
    }

    private string[] Warnings(DiMRequest request, int width, int height, TokenGrid trained)
    {
        int trainedWidth = trained.Columns * TokenPixels, trainedHeight = trained.Rows * TokenPixels;
        if (width == trainedWidth && height == trainedHeight) return [];
        string advice = request.Upscale == 1 && width % trainedWidth == 0 && width / trainedWidth == (double)height / trainedHeight
            ? $"for a larger picture, upscale by {width / trainedWidth} instead"
            : "expect less";
        return [$"{index.Name} was trained on {trainedWidth}x{trainedHeight} pixels, not on {width}x{height}: {advice}."];
    }
}
