using Mural.Training.Data;

namespace Mural.Tests.Training.Data;

public sealed class PictureListTests : IDisposable
{
    private readonly TrainingFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void SubFoldersAreLabels()
    {
        _folder.WriteText("pictures/notes.txt", "not a picture");
        _folder.WritePicture("pictures/plants/trees/oak.WEBP", 16, 1);
        _folder.WritePicture("pictures/loose.png", 16, 1);
        List<PictureItem> items = Read(new DataConfig { Folder = "pictures" });
        Assert.Equal(TrainingFolder.Pictures + 2, items.Count);
        Assert.Equal(["heart"], items.Single(item => item.Name == "00").Words);
        Assert.Equal(["plants/trees"], items.Single(item => item.Name == "oak").Words);
        Assert.Empty(items.Single(item => item.Name == "loose").Words);
        Assert.Equal(items.Select(item => item.File), Read(new DataConfig { Folder = "pictures" }).Select(item => item.File));
    }

    [Fact]
    public void LinesOfJsonGiveWordsLabelsNamesAndSplits()
    {
        _folder.WriteText("l.jsonl", """
            {"file": "a.png", "words": ["red", "heart"], "name": "Red heart", "split": "train", "source": "elsewhere"}

            {"file": "b.png", "words": "blue  heart flat"}
            {"file": "sub/c.png", "label": "cat", "split": "test"}
            {"file": "d.png", "label": 7}
            {"file": "e.png"}
            """);
        List<PictureItem> items = Read(new DataConfig { Index = "l.jsonl" });
        Assert.Equal(["red heart", "blue heart flat", "cat", "7", ""], items.Select(item => string.Join(' ', item.Words)));
        Assert.Equal(["Red heart", "b", "c", "d", "e"], items.Select(item => item.Name));
        Assert.Equal([false, false, true, false, false], items.Select(item => item.HeldOut));
        Assert.Equal(_folder.At(Path.Combine("sub", "c.png")), items[2].File);
    }

    [Fact]
    public void CommaSeparatedLinesGiveTheSame()
    {
        _folder.WriteText("l.csv", "name,file,words,split\n\"Heart, \"\"red\"\"\",a.png,red heart,train\nb,\"sub/b,c.png\",,val\n");
        List<PictureItem> items = Read(new DataConfig { Index = "l.csv" });
        Assert.Equal(["Heart, \"red\"", "b"], items.Select(item => item.Name));
        Assert.Equal([["red", "heart"], []], items.Select(item => item.Words));
        Assert.Equal([false, true], items.Select(item => item.HeldOut));
        Assert.Equal(_folder.At(Path.Combine("sub", "b,c.png")), items[1].File);
        _folder.WriteText("labels.csv", "file,label\na.png,big cat\n");
        Assert.Equal(["big cat"], Read(new DataConfig { Index = "labels.csv" })[0].Words);
    }

    [Fact]
    public void SpacesAroundFieldsAndEmptyFieldsSayNothing()
    {
        _folder.WriteText("l.csv", "file, words , label,caption, split,name,source\na.png,, big cat ,,,,\nb.png, red  heart,cat, A heart. , train,B,x\nc.png, , ,,test,,\n");
        List<PictureItem> items = Read(new DataConfig { Index = "l.csv" });
        Assert.Equal([["big cat"], ["red", "heart"], []], items.Select(item => item.Words));
        Assert.Equal([null, "A heart.", null], items.Select(item => item.Caption));
        Assert.Equal([false, false, true], items.Select(item => item.HeldOut));
        Assert.Equal(["a", "B", "c"], items.Select(item => item.Name));
        Assert.Equal("big cat", items[0].ReadCaption());
    }

    [Theory]
    [InlineData("l.jsonl", "{\"file\": \"a.png\"}\n{\"file\": ", "Line 2 of")]
    [InlineData("l.jsonl", "{\"words\": [\"a\"]}", "Line 1 of")]
    [InlineData("l.jsonl", "{\"file\": null}", "Line 1 of")]
    [InlineData("l.jsonl", "{\"file\": \"a.png\", \"words\": [\"a\", null]}", "Line 1 of")]
    [InlineData("l.jsonl", "{\"file\": \"a.png\", \"words\": 3}", "Line 1 of")]
    [InlineData("l.jsonl", "[]", "Line 1 of")]
    [InlineData("l.jsonl", "\n", "holds no pictures")]
    [InlineData("l.csv", "picture,words\na.png,b\n", "names no column 'file'")]
    [InlineData("l.csv", ",file,words\n0,a.png,b\n", "a column without a name")]
    [InlineData("l.csv", "file,words\n,b\n", "a line without a 'file'")]
    [InlineData("l.csv", "file,words\na.png\n", "a line of 1 fields")]
    [InlineData("l.csv", "file,words\n\"a.png,b\n", "inside a quoted field")]
    [InlineData("l.csv", "", "holds no pictures")]
    [InlineData("l.csv", "file,split\na.png,test\n", "All 1 pictures")]
    public void AWrongListIsOneSentence(string name, string content, string expected)
    {
        _folder.WriteText(name, content);
        MuralException problem = Assert.Throws<MuralException>(() => Read(new DataConfig { Index = name }));
        Assert.Contains(expected, problem.Message, StringComparison.Ordinal);
        Assert.Contains(name, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatIsNotThereIsNamed()
    {
        Assert.Contains("check 'data.folder'", Assert.Throws<MuralException>(() => Read(new DataConfig { Folder = "nowhere" })).Message, StringComparison.Ordinal);
        Assert.Contains("check 'data.index'", Assert.Throws<MuralException>(() => Read(new DataConfig { Index = "nowhere.csv" })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TheSamePicturesAreHeldOutEveryTime()
    {
        _folder.WriteText("many.jsonl", string.Join('\n', Enumerable.Range(0, 1000).Select(i => $$"""{"file": "{{i}}.png"}""")));
        string[] HeldOut(string list, double share) => [.. Read(new DataConfig { Index = list, HeldOut = share }).Where(item => item.HeldOut).Select(item => item.Name)];
        string[] tenth = HeldOut("many.jsonl", 0.1);
        Assert.InRange(tenth.Length, 70, 130);
        Assert.Equal(tenth, HeldOut("many.jsonl", 0.1));
        Assert.Empty(tenth.Except(HeldOut("many.jsonl", 0.2)));
        Assert.Empty(HeldOut("many.jsonl", 0));
        // A list that says it itself has the last word.
        Assert.Equal(["05"], HeldOut("list.jsonl", 0.5));
    }

    private List<PictureItem> Read(DataConfig config) => PictureList.Read(config, _folder.At("settings.json"));
}
