using Mural.DiM;

namespace Mural.Tests.DiM;

public class VocabularyTests
{
    private static readonly Vocabulary Words =
        new(["red", "heart", "woman", "astronaut", "medium-dark", "skin", "tone", "cherry", "box", "leaf", "glasses", "3d", "shirt", "Dark"]);

    [Theory]
    [InlineData("red heart", "red heart", "")]
    [InlineData("A RED  Heart!", "red heart", "A")]
    [InlineData("woman_astronaut: medium-dark skin tone", "woman astronaut medium-dark skin tone", "")]
    [InlineData("hearts,cherries, boxes,leaves", "heart cherry box leaf", "")]
    [InlineData("glass glasses", "glasses", "")]
    [InlineData("t-shirt red-heart", "shirt red heart", "t")]
    [InlineData("red red RED", "red", "")]
    [InlineData("dark", "Dark", "")]
    [InlineData("purple elephant", "", "purple elephant")]
    [InlineData("", "", "")]
    [InlineData(" ,-:_ ", "", "")]
    public void PromptsAreMatched(string prompt, string matched, string ignored)
    {
        VocabularyMatch match = Words.Match(prompt);
        Assert.Equal(matched, string.Join(' ', match.Matched));
        Assert.Equal(ignored, string.Join(' ', match.Ignored));
        Assert.Equal(match.Matched, match.Indices.Select(index => Words.Words[index]));
    }

    [Fact]
    public void FileHoldsOneWordALine()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "red\nheart\r\n\n  medium-dark \n");
            Vocabulary vocabulary = Vocabulary.Load(path);
            Assert.Equal(["red", "heart", "medium-dark"], vocabulary.Words);
            Assert.Equal(2, vocabulary.IndexOf("Medium-Dark"));
            Assert.Equal(-1, vocabulary.IndexOf("blue"));
            File.WriteAllText(path, "red\nRed\n");
            Assert.Contains("twice", Assert.Throws<MuralException>(() => Vocabulary.Load(path)).Message);
            File.WriteAllText(path, "red heart\n");
            Assert.Contains("single word", Assert.Throws<MuralException>(() => Vocabulary.Load(path)).Message);
        }
        finally
        {
            File.Delete(path);
        }
        Assert.Contains(path, Assert.Throws<MuralException>(() => Vocabulary.Load(path)).Message);
    }

    [Fact]
    public void LabelsAreFilledUp()
    {
        using var scope = NewDisposeScope();
        Tensor labels = Vocabulary.ToLabels([[3, 1, 2], [], [5]]);
        Assert.Equal(ScalarType.Int64, labels.dtype);
        Assert.Equal([3, 1, 2, -1, -1, -1, 5, -1, -1], labels.data<long>().ToArray());
        Assert.Equal([1, 1], Vocabulary.ToLabels([[]]).shape);
    }
}
