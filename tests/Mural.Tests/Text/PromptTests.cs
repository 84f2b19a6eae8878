using Mural.Text;

namespace Mural.Tests.Text;

public class PromptTests
{
    private static readonly ClipTokenizer Tokenizer = new(Vocabularies.Tiny());

    // One token each in the tiny vocabulary.
    private const string Word = "a ", Comma = ", ";

    [Theory]
    [InlineData("(a)", 1.1)]
    [InlineData("((a))", 1.2100000000000002)]
    [InlineData("[a]", 1 / 1.1)]
    [InlineData("(a:1.3)", 1.3)]
    [InlineData("(a:+0.5)", 0.5)]
    [InlineData("(a:0)", 0.0)]
    [InlineData("(a:-1.5)", -1.5)]
    [InlineData("(a\\:1.3)", 1.3)]
    [InlineData("((a)", 1.2100000000000002)]
    [InlineData("([a:2)", 2 * (1 / 1.1))]
    public void BracketsWeigh(string prompt, double weight) => Assert.Equal([new PromptFragment("a", weight)], PromptWeights.Parse(prompt));

    [Theory]
    [InlineData("(a:1.2.3)", "a:1.2.3")]
    [InlineData("(a:.)", "a:.")]
    [InlineData("(a:1e5)", "a:1e5")]
    public void WhatIsNoNumberIsText(string prompt, string text) => Assert.Equal([new PromptFragment(text, 1.1)], PromptWeights.Parse(prompt));

    [Theory]
    [InlineData("\\(a:1.3)", "(a:1.3)")]
    [InlineData("a]:1.3)", "a]:1.3)")]
    [InlineData("()a[]", "a")]
    [InlineData("a\\", "a")]
    public void WhatOpensNoBracketWeighsNothing(string prompt, string text) => Assert.Equal([new PromptFragment(text, 1)], PromptWeights.Parse(prompt));

    [Fact]
    public void LongPromptsGoOnInTheNextWindow()
    {
        IReadOnlyList<PromptWindow> windows = Split(Repeat(Word, 76));
        Assert.Equal(2, windows.Count);
        Assert.Equal([828, .. Enumerable.Repeat(320, 75), 829], windows[0].Ids);
        Assert.Equal([828, 320, .. Enumerable.Repeat(829, 75)], windows[1].Ids);
        Assert.Single(Split(Repeat(Word, 75)));
    }

    [Fact]
    public void ExclaimingEncodersPadWithZero()
    {
        var tokenizer = new ClipTokenizer(Vocabularies.Tiny(), "!");
        PromptWindow window = Assert.Single(PromptWindows.Split(tokenizer, "a", PromptSyntax.Weighted));
        Assert.Equal([828, 320, 829, .. Enumerable.Repeat(0, 74)], window.Ids);
        Assert.Equal([828, 829, .. Enumerable.Repeat(0, 75)], PromptWindows.Empty(tokenizer).Ids);
    }

    [Theory]
    [InlineData(69, 70)]
    [InlineData(55, 56)]
    [InlineData(54, 75)]
    [InlineData(74, 75)]
    public void PhrasesMoveToTheNextWindowWhole(int wordsBeforeComma, int tokensInFirstWindow)
    {
        IReadOnlyList<PromptWindow> windows = Split(Repeat(Word, wordsBeforeComma) + Comma + Repeat(Word, 79 - wordsBeforeComma));
        Assert.Equal(2, windows.Count);
        Assert.Equal(tokensInFirstWindow, Text(windows[0]));
        Assert.Equal(80 - tokensInFirstWindow, Text(windows[1]));
    }

    [Theory]
    [InlineData("BREAK a", 2, 0)]
    [InlineData("a BREAK a", 2, 1)]
    [InlineData("a BREAK", 1, 1)]
    [InlineData("BREAK BREAK a", 3, 0)]
    [InlineData("", 1, 0)]
    public void BreakStartsAWindow(string prompt, int count, int tokensInFirstWindow)
    {
        IReadOnlyList<PromptWindow> windows = Split(prompt);
        Assert.Equal(count, windows.Count);
        Assert.Equal(tokensInFirstWindow, Text(windows[0]));
    }

    [Fact]
    public void WeightsFollowTheirTokens()
    {
        PromptWindow window = Assert.Single(Split("a (a a:1.5) a"));
        Assert.Equal([1, 1, 1.5f, 1.5f, 1, 1], window.Weights[..6]);
        Assert.True(window.IsWeighted);
        Assert.False(Split("a")[0].IsWeighted);
    }

    [Fact]
    public void WeightsGoOnInTheNextWindow()
    {
        IReadOnlyList<PromptWindow> windows = Split("(" + Repeat(Word, 80) + ":1.5)");
        Assert.Equal(2, windows.Count);
        Assert.Equal([1f, .. Enumerable.Repeat(1.5f, 75), 1f], windows[0].Weights);
        Assert.Equal([1f, .. Enumerable.Repeat(1.5f, 5), .. Enumerable.Repeat(1f, 71)], windows[1].Weights);
    }

    [Fact]
    public void PlainPromptsAreCutAndNotWeighed()
    {
        PromptWindow window = Assert.Single(PromptWindows.Split(Tokenizer, "(a:1.5) " + Repeat(Word, 100), PromptSyntax.Plain));
        Assert.False(window.IsWeighted);
        Assert.Equal(75, Text(window));
    }

    [Theory]
    [InlineData("a [b:c:3 ]", "a b", "a c")]
    [InlineData("a [b: c :\n3\t]", "a b", "a  c ")]
    [InlineData("[fe|]male", "female", "male")]
    [InlineData("[a (b)|c]", "a (b)", "c")]
    [InlineData("((a][:b:c [d:3]", "((a][:b:c ", "((a][:b:c d")]
    [InlineData("a [[[b]]:3]", "a ", "a [[b]]")]
    [InlineData("[a|b] [c:d:0]", "b c", "b d")]
    [InlineData("[a|b] [c:d:-0.1]", "a c", "b d")]
    [InlineData("[a|b|c] [d:e:-0.2]", "a d", "a e")]
    [InlineData("[a|||b]", "a", "")]
    [InlineData("[a::3]", "a", "")]
    [InlineData("[:a:3]", "", "a")]
    [InlineData("x[::3]", "x", "x")]
    [InlineData("x[:3]", "x", "x")]
    [InlineData("[a:b:99]", "a", "a")]
    [InlineData("[[a|b]:c:3]", "a", "c")]
    [InlineData("[a|[b:c:2]]", "a", "c")]
    [InlineData("((a:1.1) [b|c]:1.2)", "((a:1.1) b:1.2)", "((a:1.1) c:1.2)")]
    [InlineData("[a\\:b:c:2]", "a\\:b", "c")]
    [InlineData("a]b[c:d:2]", "a]bc", "a]bd")]
    [InlineData("a [b:c:3]: :(", "a b: :(", "a c: :(")]
    public void PromptsChange(string prompt, string first, string last)
    {
        IReadOnlyList<ScheduledPrompt> schedule = PromptSchedule.Parse(prompt, 10);
        Assert.Equal((first, last), (schedule[0].Text, schedule[^1].Text));
        Assert.Equal(10, schedule[^1].LastStep);
    }

    // Below 1 a share of the steps, whatever else a step; fractions of a step are cut off.
    [Theory]
    [InlineData("[a:b:1]", 1)]
    [InlineData("[a:b:1.0]", 1)]
    [InlineData("[a:b:2.9]", 2)]
    [InlineData("[a:b:+2.]", 2)]
    [InlineData("[a:b:1e0]", 1)]
    [InlineData("[a:b:.5]", 5)]
    [InlineData("[a:b:0.99]", 9)]
    [InlineData("[a:b:0.05]", 0)]
    [InlineData("[a:b:-0.1]", -1)]
    public void TextsEndAfterStepsOrSharesOfThem(string prompt, int lastStep) =>
        Assert.Equal([new ScheduledPrompt(lastStep, "a"), new ScheduledPrompt(10, "b")], PromptSchedule.Parse(prompt, 10));

    [Theory]
    [InlineData("")]
    [InlineData("a | b [c:d:3]")]
    [InlineData("[a|b:c:3]")]
    [InlineData("[(a|b):c:3]")]
    [InlineData("\\[a:b:3\\]")]
    [InlineData("a [b:c:3] \\")]
    [InlineData("a [b:c:d:3]")]
    [InlineData("a [b:c:x]")]
    public void WhatTheGrammarLacksStaysAsItIs(string prompt) => Assert.Equal([new ScheduledPrompt(10, prompt)], PromptSchedule.Parse(prompt, 10));

    [Theory]
    [InlineData("a AND b :1.5", "a|1", " b|1.5")]
    [InlineData("a:1.5\nAND\n(b:2)", "a|1.5", "\n(b:2)|1")]
    [InlineData("a\nb :.5 AND c:", "a\nb|0.5", " c:|1")]
    [InlineData("a\n\nAND\n\nb : 0.5\n", "a|1", "\n\nb|0.5")]
    [InlineData("a : 2 : 3 AND b\n:\n-1.", "a : 2|3", " b|-1")]
    [InlineData("a AND b:1e5", "a|1", " b:1e5|1")]
    [InlineData("and AND_ AND b:0", "and AND_|1", " b|0")]
    [InlineData("AND", "|1", "|1")]
    public void AndSplits(string prompt, string first, string second) =>
        Assert.Equal([first, second], PromptConjunction.Split(prompt).Select(part => FormattableString.Invariant($"{part.Text}|{part.Weight}")));

    [Fact]
    public void TooMuchIsRefusedInASentence()
    {
        AssertRefused(new string('a', 1 << 20), "shorten it");
        AssertRefused(new string('(', 5000), "brackets");
        AssertRefused(Repeat("BREAK ", 100) + "a", "windows");
        AssertRefused("(" + new string('(', 60) + "a" + string.Concat(Enumerable.Repeat($":{new string('9', 30)})", 60)), "bounds");
        Assert.Throws<MuralException>(() => PromptSchedule.Parse(new string('[', 5000), 10));
        Assert.Throws<MuralException>(() => PromptConjunction.Split(new string('a', 1 << 20)));
    }

    [Fact]
    public void HostilePromptsTakeNoTime()
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        foreach (string text in (string[])["()", "[]", "(a", "[a:", "[b:   ", "\\", ":1)", "|", "   ", "[a|"])
        {
            string prompt = Repeat(text, 190);
            string filled = prompt + new string(' ', PromptLimits.Characters - prompt.Length);
            PromptWeights.Parse(filled);
            PromptSchedule.Parse(filled, 50);
            PromptConjunction.Split(filled);
        }
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(20), $"{watch.Elapsed}");
    }

    private static void AssertRefused(string prompt, string reason) =>
        Assert.Contains(reason, Assert.Throws<MuralException>(() => Split(prompt)).Message, StringComparison.Ordinal);

    private static IReadOnlyList<PromptWindow> Split(string prompt) => PromptWindows.Split(Tokenizer, prompt, PromptSyntax.Weighted);

    // Tokens of a window before its end.
    private static int Text(PromptWindow window) => Array.IndexOf(window.Ids, 829) - 1;

    private static string Repeat(string text, int times) => string.Concat(Enumerable.Repeat(text, times));
}
