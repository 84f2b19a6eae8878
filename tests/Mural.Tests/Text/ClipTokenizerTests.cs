using System.Text;
using Mural.Text;

namespace Mural.Tests.Text;

public class ClipTokenizerTests
{
    [Theory]
    [InlineData("a photo of a cat", "320 1125 539 320 2368")]
    [InlineData("Hello,   World!", "3306 267 1002 256")]
    [InlineData("1girl, (masterpiece:1.2), best quality", "272 1611 267 263 12066 281 272 269 273 2361 949 3027")]
    [InlineData("日本", "39121 19277 361")]
    [InlineData("\U0001F642", "14860")]
    [InlineData("supercalifragilisticexpialidocious", "1642 2857 13093 2076 5868 26850 835 639 38466")]
    public void ReleasedVocabularyGivesPublishedIds(string text, string ids) =>
        Assert.Equal(ids.Split(' ').Select(int.Parse), new ClipTokenizer(Vocabularies.Clip()).Encode(text));

    [Fact]
    public void ReleasedVocabularyHasItsSize()
    {
        ClipVocabulary vocabulary = Vocabularies.Clip();
        Assert.Equal(49_408, vocabulary.Size);
        Assert.Equal([0, 256, 320, 267, 49_406], ((string[])["!", "!</w>", "a</w>", ",</w>", ClipVocabulary.BeginToken]).Select(vocabulary.Id));
    }

    [Fact]
    public void AMegabyteOfAnythingIsTokenized()
    {
        var tokenizer = new ClipTokenizer(Vocabularies.Tiny());
        foreach (string text in (string[])[new('a', 1 << 20), new(' ', 1 << 20), string.Concat(Enumerable.Repeat("\u0301\u0323", 1 << 19))])
        {
            int[] window = tokenizer.EncodeWindow(text);
            Assert.Equal(ClipTokenizer.ClipWindow, window.Length);
            Assert.Contains(tokenizer.End, window);
        }
    }

    [Fact]
    public void LoneSurrogatesAreReplacementCharacters()
    {
        var tokenizer = new ClipTokenizer(Vocabularies.Tiny());
        List<int> replaced = tokenizer.Encode("a\uFFFDb");
        Assert.Equal(replaced, tokenizer.Encode("a\uD800b"));
        Assert.Equal(replaced, tokenizer.Encode("a\uDC00b"));
        Assert.Equal(tokenizer.Encode("\uFFFD\uFFFD"), tokenizer.Encode("\uDC00\uD800"));
    }

    [Fact]
    public void AnyTextGivesKnownIds()
    {
        ClipVocabulary vocabulary = Vocabularies.Tiny();
        var tokenizer = new ClipTokenizer(vocabulary, "!");
        var random = new Random(7);
        for (int i = 0; i < 300; i++)
        {
            var text = new StringBuilder();
            for (int k = random.Next(60); k > 0; k--)
                text.Append((char)(random.Next(4) switch { 0 => random.Next(0x80), 1 => random.Next(0x250), 2 => random.Next(0x300, 0x3400), _ => random.Next(0x10000) }));
            List<int> ids = tokenizer.Encode(text.ToString());
            Assert.All(ids, id => Assert.InRange(id, 0, vocabulary.Size - 1));
            Assert.Equal(ids, tokenizer.Encode(text.ToString()));
        }
    }

    [Fact]
    public void EveryFormOfTheFilesGivesTheSameIds()
    {
        using var folder = new TemporaryFolder();
        string[] merges = File.ReadAllLines(Path.Combine(Vocabularies.TinyFolder, "merges.txt"));
        string vocabulary = File.ReadAllText(Path.Combine(Vocabularies.TinyFolder, "vocab.json"));
        string pairs = string.Join(", ", merges.Skip(1).Where(line => line.Length > 0).Select(line => System.Text.Json.JsonSerializer.Serialize(line.Split(' '))));
        List<int> expected = new ClipTokenizer(Vocabularies.Tiny()).Encode("a castle at sunset, it's 8k café");

        File.WriteAllText(folder.At("tokenizer.json"), $$"""{"model": {"vocab": {{vocabulary}}, "merges": [{{pairs}}] } }""");
        Assert.Equal(expected, new ClipTokenizer(ClipVocabularyFiles.Read(folder.Path)).Encode("a castle at sunset, it's 8k café"));
        File.WriteAllLines(folder.At("merges.txt"), merges);
        Assert.Equal(expected, new ClipTokenizer(ClipVocabularyFiles.Read(folder.Path)).Encode("a castle at sunset, it's 8k café"));
    }

    [Fact]
    public void SpecialTokensMapDecidesAboutPadding()
    {
        using var folder = new TemporaryFolder();
        foreach (string name in (string[])["vocab.json", "merges.txt"]) File.Copy(Path.Combine(Vocabularies.TinyFolder, name), folder.At(name));
        Assert.Equal(829, ClipTokenizerFolder.Read(folder.Path).Pad);
        File.WriteAllText(folder.At("tokenizer_config.json"), """{"pad_token": "<|endoftext|>"}""");
        File.WriteAllText(folder.At("special_tokens_map.json"), """{"pad_token": {"content": "!", "lstrip": false}}""");
        File.WriteAllText(folder.At("added_tokens.json"), """{"<toy>": 830}""");
        ClipTokenizer tokenizer = ClipTokenizerFolder.Read(folder.Path);
        Assert.Equal([828, 320, 830, 829, 0], tokenizer.EncodeWindow("a <toy>")[..5]);
    }

    [Theory]
    [InlineData("vocab.json", "{\"a\": 1}")]
    [InlineData("vocab.json", "[1]")]
    [InlineData("vocab.json", "{\"a\": \"b\"}")]
    [InlineData("vocab.json", "{\"a\": ")]
    [InlineData("merges.txt", "#version: 0.2\na b c\n")]
    [InlineData("merges.txt", "#version: 0.2\nq zz\n")]
    [InlineData("special_tokens_map.json", "{\"pad_token\": \"nothing\"}")]
    public void MalformedFilesAreRefused(string name, string content)
    {
        using var folder = new TemporaryFolder();
        foreach (string file in (string[])["vocab.json", "merges.txt"]) File.WriteAllBytes(folder.At(file), File.ReadAllBytes(Path.Combine(Vocabularies.TinyFolder, file)));
        File.WriteAllText(folder.At(name), content);
        Assert.Throws<MuralException>(() => ClipTokenizerFolder.Read(folder.Path));
    }

    [Fact]
    public void VocabularyOfASingleFileIsFoundBesideIt()
    {
        using var folder = new TemporaryFolder();
        string checkpoint = folder.At("model.safetensors"), own = folder.At("own"), named = folder.At("named"), beside = folder.At("tokenizer");
        Assert.Contains(own, Assert.Throws<MuralException>(() => ClipVocabularyLocation.Find(checkpoint, null, own)).Message, StringComparison.Ordinal);
        foreach (string place in (string[])[own, named, beside])
        {
            Directory.CreateDirectory(place);
            File.Copy(Path.Combine(Vocabularies.TinyFolder, "merges.txt"), Path.Combine(place, "merges.txt"));
            Assert.Equal(place, ClipVocabularyLocation.Find(checkpoint, named, own));
        }
    }
}
