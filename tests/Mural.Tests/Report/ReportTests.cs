using Mural.Cli.CommandLine;
using Mural.Imaging;
using Mural.Report;
using Mural.Tests.Cli;
using Mural.Tests.Pipelines;

namespace Mural.Tests.Report;

/// <summary>What the scripts under models/ paint and tabulate.</summary>
public sealed class ReportTests : IClassFixture<TinyJudge>, IDisposable
{
    private readonly TinyJudge _judge;
    private readonly TemporaryFolder _folder = new();

    public ReportTests(TinyJudge judge) => _judge = judge;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void CaptionsAreSpreadOverTheList()
    {
        IReadOnlyList<ListedPicture> listed = WriteList(10);
        Assert.Equal(["heart number1", "heart number3", "heart number5", "heart number7", "heart number9"], PictureList.Spread(listed, 5).Select(picture => picture.Caption));
        Assert.Equal(10, PictureList.Spread(listed, 20).Count);
        Assert.Equal((8, "heart, number3"), (listed.Count(picture => picture.Train), listed[3].Label));
    }

    [Fact]
    public async Task SamplesArePaintedOnceAndJudged()
    {
        IReadOnlyList<ListedPicture> captions = PictureList.Spread(WriteList(6), 2);
        await using IPainter painter = await Painters.OpenAsync(TinyStableDiffusion.At(TinyStableDiffusion.First), linFusion: null);
        await SampleFolder.FillAsync(_folder.At("own-2x"), painter, captions, PaintSettings.Of(2, "both", steps: 2));
        (Picture picture, string caption) = SampleFolder.Read(_folder.At("own-2x"), 1);
        Assert.Equal((256, 256, "heart number4"), (picture.Width, picture.Height, caption));

        // What is there stays.
        string first = _folder.At("own-2x/0000.png");
        PictureWriter.Write(first, Picture.Filled(8, 8, Rgb.Black));
        await SampleFolder.FillAsync(_folder.At("own-2x"), painter, captions, PaintSettings.Of(2, "both", steps: 2));
        Assert.Equal(8, PictureReader.Read(first).Width);

        CommandRun run = CommandRun.Of("judge", _judge.Result, "--pictures", _folder.At("own-2x"), "--real", _judge.List, "--candidates", "3", "--json");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        File.WriteAllText(_folder.At("own-2x.json"), run.Out);
        JudgedSet judged = Assert.Single(JudgedSet.ReadAll(_folder.Path));
        Assert.Equal(("own-2x", 2), (judged.Name, judged.Pictures));
        Assert.InRange(judged.Found, 0, 1);
        Assert.StartsWith("| own-2x | 2 | ", FigureTable.Markdown([judged]).Split('\n')[2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheAblationOrdersMixersByTheirDistanceAtTheLargerSize()
    {
        foreach ((string name, double distance) in new[] { ("near-1x", 0.3), ("near-2x", 0.2), ("far-1x", 0.1), ("far-2x", 0.7) })
        {
            Write(name + ".json", $$"""{"pictures": 6, "found": 0.25, "standardError": 0.1, "distance": {{distance}}}""");
            for (int number = 0; number < 6; number++)
            {
                PictureWriter.Write(_folder.At($"{name}/{number:D4}.png"), Picture.Filled(16, 16, Rgb.White));
                await File.WriteAllTextAsync(_folder.At($"{name}/{number:D4}.txt"), "heart", TestContext.Current.CancellationToken);
            }
        }
        string[] rows = Ablation.Draw(_folder.Path, _folder.At("drawn")).Split('\n');
        Assert.Equal("| near | 25.0 % ± 10.0 | 0.300 | 25.0 % ± 10.0 | 0.200 |", rows[2]);
        Assert.Equal("| far | 25.0 % ± 10.0 | 0.100 | 25.0 % ± 10.0 | 0.700 |", rows[3]);
        Assert.Equal(1000, PictureReader.Identify(_folder.At("drawn/ablation.png")).Width);
        Assert.True(PictureReader.Identify(_folder.At("drawn/ablation-2x.jpg")).Width > 6 * 16);
        Assert.Contains("run ablation.sh", Assert.Throws<MuralException>(() => Ablation.Draw(_folder.At("drawn"), _folder.At("none"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SheetsAreDrawnByTheirNames()
    {
        await using IPainter painter = await Painters.OpenAsync(TinyStableDiffusion.At(TinyStableDiffusion.First), linFusion: null);
        await new Sheets(new FewSteps(painter), WriteList(8), _folder.At("sheets")).DrawAsync(["nearest", "held-out"]);
        Assert.Equal(["held-out.png", "nearest.png"], Directory.GetFiles(_folder.At("sheets")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.True(PictureReader.Identify(_folder.At("sheets/nearest.png")).Width > 8 * 128);
    }

    [Fact]
    public async Task WhatDoesNotBelongTogetherIsRefused()
    {
        string dim = Path.Combine(AppContext.BaseDirectory, "models", "emoji");
        Assert.Contains("leave --linfusion out", (await Assert.ThrowsAsync<MuralException>(() => Painters.OpenAsync(dim, "anything"))).Message, StringComparison.Ordinal);
        await using IPainter painter = await Painters.OpenAsync(dim, linFusion: null);
        await Assert.ThrowsAsync<MuralException>(() => painter.PaintAsync("heart", 1, PaintSettings.Of(1, "both")));
    }

    // The last two of the list are held out.
    private IReadOnlyList<ListedPicture> WriteList(int count)
    {
        var lines = new List<string>();
        for (int i = 0; i < count; i++)
        {
            PictureWriter.Write(_folder.At($"list/{i}.png"), Picture.Filled(64, 64, new Rgb((byte)(i * 20), 90, 200)));
            lines.Add($$"""{"file": "{{i}}.png", "name": "heart", "words": ["heart", "number{{i}}"], "split": "{{(i < count - 2 ? "train" : "test")}}"}""");
        }
        return PictureList.Read(Write("list/list.jsonl", string.Join('\n', lines)));
    }

    private string Write(string name, string text)
    {
        File.WriteAllText(_folder.At(name), text);
        return _folder.At(name);
    }

    private sealed class FewSteps(IPainter painter) : IPainter
    {
        public bool TakesHiDiffusion => painter.TakesHiDiffusion;

        public Task<Picture> PaintAsync(string caption, long seed, PaintSettings settings) => painter.PaintAsync(caption, seed, settings with { Steps = 1 });

        public ValueTask DisposeAsync() => painter.DisposeAsync();
    }
}
