namespace Mural.Text;

/// <summary>How a prompt is read.</summary>
public enum PromptSyntax
{
    /// <summary>As A1111 reads it: brackets are weights, BREAK starts a window, and what does not fit into one window goes on in the next.</summary>
    Weighted,

    /// <summary>As diffusers reads it: every character means itself, and what does not fit into one window is cut off.</summary>
    Plain,
}

/// <summary>What an encoder sees at once: ids, and what the vector of each is multiplied by.</summary>
internal sealed record PromptWindow(int[] Ids, float[] Weights)
{
    internal bool IsWeighted { get; } = Weights.Any(weight => weight != 1);
}

/// <summary>Cuts a prompt into windows as A1111 does (spec 4.5).</summary>
internal sealed class PromptWindows
{
    // How far back a window is cut after a comma rather than inside a phrase.
    private const int CommaReach = 20;

    private readonly ClipTokenizer _tokenizer;
    private readonly List<PromptWindow> _windows = [];
    private readonly List<int> _ids = [];
    private readonly List<float> _weights = [];
    private int _lastComma = -1;

    private PromptWindows(ClipTokenizer tokenizer) => _tokenizer = tokenizer;

    /// <summary>The windows of a prompt, at least one.</summary>
    /// <exception cref="MuralException">The prompt is too long, or its brackets ask for the impossible.</exception>
    internal static IReadOnlyList<PromptWindow> Split(ClipTokenizer tokenizer, string prompt, PromptSyntax syntax)
    {
        PromptLimits.Check(prompt);
        if (syntax == PromptSyntax.Plain) return [new PromptWindow(tokenizer.EncodeWindow(prompt), Ones(tokenizer))];
        var windows = new PromptWindows(tokenizer);
        foreach (PromptFragment fragment in PromptWeights.Parse(prompt))
        {
            if (fragment.IsBreak) windows.Finish();
            else windows.Add(tokenizer.Encode(fragment.Text), (float)fragment.Weight);
        }
        if (windows._ids.Count > 0 || windows._windows.Count == 0) windows.Finish();
        if (windows._windows.Count > PromptLimits.Windows) throw PromptLimits.TooManyWindows(windows._windows.Count, tokenizer.WindowTokens);
        return windows._windows;
    }

    /// <summary>The window of an empty prompt, which makes a short prompt as long as another.</summary>
    internal static PromptWindow Empty(ClipTokenizer tokenizer) => new(tokenizer.Window([]), Ones(tokenizer));

    private void Add(List<int> ids, float weight)
    {
        for (int at = 0; at < ids.Count;)
        {
            if (ids[at] == _tokenizer.Comma) _lastComma = _ids.Count;
            else if (IsFull && _lastComma >= 0 && _ids.Count - _lastComma <= CommaReach) FinishAfterComma();
            if (IsFull) Finish();
            // The vectors of one word stay together.
            int run = Math.Min(_tokenizer.RunLength(ids[at]), ids.Count - at);
            if (_ids.Count + run > _tokenizer.WindowTokens) Finish();
            for (int end = at + run; at < end; at++)
            {
                _ids.Add(ids[at]);
                _weights.Add(weight);
            }
        }
    }

    private bool IsFull => _ids.Count == _tokenizer.WindowTokens;

    private void FinishAfterComma()
    {
        int cut = _lastComma + 1;
        int[] ids = [.. _ids.Skip(cut)];
        float[] weights = [.. _weights.Skip(cut)];
        _ids.RemoveRange(cut, ids.Length);
        _weights.RemoveRange(cut, weights.Length);
        Finish();
        _ids.AddRange(ids);
        _weights.AddRange(weights);
    }

    private void Finish()
    {
        float[] weights = Ones(_tokenizer);
        _weights.CopyTo(weights, 1);
        _windows.Add(new PromptWindow(_tokenizer.Window(_ids), weights));
        _ids.Clear();
        _weights.Clear();
        _lastComma = -1;
    }

    private static float[] Ones(ClipTokenizer tokenizer)
    {
        float[] weights = new float[tokenizer.WindowLength];
        Array.Fill(weights, 1f);
        return weights;
    }
}
