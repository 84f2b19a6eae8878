using System.Text;
using Mural.Text;

namespace Mural.Tests.Text;

public sealed class BytePairTrainingTests
{
    private static readonly string[] Captions = ["red heart 3d", "red heart flat", "a RED car, it's new", "blue heart 3d", "café at night"];

    [Fact]
    public void TheMostFrequentNeighboursAreMergedFirst()
    {
        // "l o" three times, then "lo w" at a word's end twice; nothing else stands twice.
        Assert.Equal([("l", "o"), ("lo", "w</w>")], BytePairTraining.Learn(["low low lower"], 1000).Merges);
        // Of equally frequent ones the first by their characters.
        Assert.Equal([("a", "b</w>"), ("c", "d</w>")], BytePairTraining.Learn(["cd ab", "ab cd"], 1000).Merges);
        // Neighbours do not overlap.
        Assert.Equal([("a", "a"), ("aa", "a</w>")], BytePairTraining.Learn(["aaa aaa"], 1000).Merges);
    }

    [Fact]
    public void FrequentWordsAreOneTokenAndEveryTextCanBeSaid()
    {
        ClipVocabulary vocabulary = BytePairTraining.Learn(Captions, 4096);
        var tokenizer = new ClipTokenizer(vocabulary, windowLength: 16);
        Dictionary<int, string> tokens = vocabulary.Tokens.ToDictionary(token => token.Value, token => token.Key);
        string Said(string text) => string.Join(' ', tokenizer.Encode(text).Select(id => tokens[id]));
        Assert.Equal("red</w> heart</w> 3</w> d</w>", Said("red heart 3d"));
        // What "car" shares with "café".
        Assert.Equal("red</w> ca r</w>", Said("Red car"));
        // What was never seen falls into bytes, and comes back from them.
        Assert.Equal(Encoding.UTF8.GetBytes("größe").Length, tokenizer.Encode("größe").Count);
        Assert.Equal(ByteCharacters.Of("größe"), string.Concat(tokenizer.Encode("größe").Select(id => tokens[id])).Replace("</w>", "", StringComparison.Ordinal));
        Assert.Equal(vocabulary.Size, tokens.Count);
        Assert.Equal((vocabulary.Size - 2, vocabulary.Size - 1), (tokenizer.Begin, tokenizer.End));
    }

    [Fact]
    public void TheBoundIsKeptAndTheOrderOfTheTextsIsNothing()
    {
        Assert.Equal(512 + 2, BytePairTraining.SmallestVocabulary);
        Assert.Equal(518, BytePairTraining.Learn(Captions, 518).Size);
        Assert.Empty(BytePairTraining.Learn(Captions, BytePairTraining.SmallestVocabulary).Merges);
        Assert.Equal(BytePairTraining.Learn(Captions, 4096).Merges, BytePairTraining.Learn(Enumerable.Reverse(Captions), 4096).Merges);
        Assert.Empty(BytePairTraining.Learn([], 4096).Merges);
    }

    [Fact]
    public void FilesGiveTheSameTokensAndWindows()
    {
        using var folder = new TemporaryFolder();
        ClipVocabulary vocabulary = BytePairTraining.Learn(Captions, 4096);
        ClipTokenizerFolder.Write(vocabulary, ClipVocabulary.EndToken, folder.Path, windowLength: 12);
        ClipTokenizer written = ClipTokenizerFolder.Read(folder.Path), learned = new(vocabulary, windowLength: 12);
        foreach (string caption in (string[])[.. Captions, "", "two 3d hearts; größe 12"])
        {
            int[] window = written.EncodeWindow(caption);
            Assert.Equal(learned.EncodeWindow(caption), window);
            Assert.Equal((12, learned.Begin), (window.Length, window[0]));
            Assert.Equal(learned.End, window[^1]);
        }
    }

    // A long prompt goes on in more of the windows that the encoder has.
    [Fact]
    public void PromptsAreCutIntoWindowsOfTheTokenizersLength()
    {
        var tokenizer = new ClipTokenizer(BytePairTraining.Learn(Captions, 4096), windowLength: 5);
        IReadOnlyList<PromptWindow> windows = PromptWindows.Split(tokenizer, "red heart 3d heart red", PromptSyntax.Weighted);
        Assert.Equal(2, windows.Count);
        Assert.All(windows, window => Assert.Equal((5, 5), (window.Ids.Length, window.Weights.Length)));
        Assert.Equal(tokenizer.Encode("red heart 3d heart red"), windows.SelectMany(window => window.Ids.Where(id => id != tokenizer.Begin && id != tokenizer.End)));
    }
}
