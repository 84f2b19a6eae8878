using Mural.Cli.CommandLine;
using Mural.Imaging;
using Mural.Report;
using Mural.Tests.Cli;
using Mural.Tests.Pipelines;
using Mural.Training.Data;

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
        Captions listed = WriteList(12);
        Assert.Equal(["heart number0", "heart number2", "heart number4", "heart number6", "heart number8"], Spread.Over(listed.Training, 5).Select(item => item.ReadCaption()));
        Assert.Equal(10, Spread.Over(listed.Training, 20).Length);
        Assert.Equal(["heart, number10", "heart, number11"], listed.HeldOut.Select(Captions.LabelOf));
    }

    [Fact]
    public async Task SamplesArePaintedOnceAndJudged()
    {
        IReadOnlyList<PictureItem> captions = Spread.Over(WriteList(6).Training, 2);
        var folder = new SampleFolder(_folder.At("own-2x"));
        await using IPainter painter = await Painters.OpenAsync(TinyStableDiffusion.At(TinyStableDiffusion.First), linFusion: null);
        await folder.FillAsync(painter, captions, PaintSettings.Of(2, "both", steps: 2));
        (Picture picture, string caption) = folder.Read(1);
        Assert.Equal((256, 256, "heart number2"), (picture.Width, picture.Height, caption));

        // What is there stays, while model, settings and captions do.
        string first = _folder.At("own-2x/0000.png");
        PictureWriter.Write(first, Picture.Filled(8, 8, Rgb.Black));
        await folder.FillAsync(painter, captions, PaintSettings.Of(2, "both", steps: 2));
        Assert.Equal(8, PictureReader.Read(first).Width);
        await folder.FillAsync(painter, captions, PaintSettings.Of(1, "none", steps: 2));
        Assert.Equal(128, PictureReader.Read(first).Width);

        // Other files are nobody's to delete.
        Directory.CreateDirectory(_folder.At("mine"));
        string own = Write("mine/0000.png", "mine");
        await Assert.ThrowsAsync<MuralException>(() => new SampleFolder(_folder.At("mine")).FillAsync(painter, captions, PaintSettings.Of(1, "none", steps: 2)));
        Assert.Equal("mine", File.ReadAllText(own));

        CommandRun run = CommandRun.Of("judge", _judge.Result, "--pictures", _folder.At("own-2x"), "--real", _judge.List, "--candidates", "3", "--json");
        Assert.True(run.ExitCode == ExitCode.Success, run.Error);
        File.WriteAllText(_folder.At("own-2x.json"), run.Out);
        JudgedSet judged = Assert.Single(JudgedSet.ReadAll(_folder.Path));
        Assert.Equal(("own-2x", 2), (judged.Name, judged.Pictures));
        Assert.InRange(judged.Found, 0, 1);
        Assert.StartsWith("| own-2x | 2 | ", FigureTable.Markdown([judged]).Split('\n')[2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheAblationOrdersMixersByHowFarFromTheTeacherTheyPaintAtTheLargerSize()
    {
        foreach ((string name, Rgb colour) in new[]
        {
            ("teacher-1x", Rgb.White), ("teacher-2x", Rgb.White), ("near-1x", Rgb.Black), ("near-2x", Rgb.White),
            ("far-1x", Rgb.White), ("far-2x", Rgb.Black), ("half-1x", Rgb.Black)
        })
        {
            Write(name + ".json", """{"pictures": 6, "found": 0.25, "standardError": 0.1, "distance": 0.3, "features": 6}""");
            for (int number = 0; number < 6; number++)
            {
                PictureWriter.Write(_folder.At($"{name}/{number:D4}.png"), Picture.Filled(16, 16, colour));
                await File.WriteAllTextAsync(_folder.At($"{name}/{number:D4}.txt"), "heart", TestContext.Current.CancellationToken);
            }
        }
        string[] rows = Ablation.Draw(_folder.Path, _folder.At("drawn")).Split('\n');
        string[] begins = ["| teacher | 0.000 | 0.000 |", "| near | 1.000 | 0.000 |", "| far | 0.000 | 1.000 |"];
        Assert.Equal(begins.Select(begin => begin + " 25.0 % ± 10.0 | 0.300* | 25.0 % ± 10.0 | 0.300* |").Order(), rows[2..5].Order());
        Assert.StartsWith(begins[2], rows[4], StringComparison.Ordinal);
        Assert.Contains("fewer pictures than features", rows[6], StringComparison.Ordinal);
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

    [Fact]
    public async Task RealPicturesStandWhereSamplesWould()
    {
        PictureItem[] pictures = Spread.Over(WriteList(6).HeldOut, 2);
        await using var painter = new RealPictures(pictures);
        var folder = new SampleFolder(_folder.At("real"));
        await folder.FillAsync(painter, pictures, new PaintSettings());
        (Picture picture, string caption) = folder.Read(1);
        Assert.Equal(PictureReader.Read(pictures[1].File).Data, picture.Data);
        Assert.Equal(pictures[1].ReadCaption(), caption);
        Assert.Equal(100, folder.SignalToNoise(pictures), 6);
    }

    [Fact]
    public async Task ReconstructionsAreTheAutoencodersOfTheRealPictures()
    {
        PictureItem[] pictures = Spread.Over(WriteList(6).HeldOut, 2);
        string vae = Path.Combine(AppContext.BaseDirectory, "models", "emoji", "vae");
        await using var painter = new Reconstructions(vae, pictures);
        var folder = new SampleFolder(_folder.At("back"));
        await folder.FillAsync(painter, pictures, new PaintSettings());
        Assert.Equal((64, 64, pictures[1].ReadCaption()), (folder.Read(1).Picture.Width, folder.Read(1).Picture.Height, folder.Read(1).Caption));
        // Whole pictures of one colour are far from what it was trained on.
        Assert.InRange(folder.SignalToNoise(pictures), 8, 40);
    }

    // The last two of the list are held out.
    private Captions WriteList(int count)
    {
        var lines = new List<string>();
        for (int i = 0; i < count; i++)
        {
            PictureWriter.Write(_folder.At($"list/{i}.png"), Picture.Filled(64, 64, new Rgb((byte)(i * 20), 90, 200)));
            lines.Add($$"""{"file": "{{i}}.png", "name": "heart", "words": ["heart", "number{{i}}"], "split": "{{(i < count - 2 ? "train" : "test")}}"}""");
        }
        return new Captions(Write("list/list.jsonl", string.Join('\n', lines)));
    }

    private string Write(string name, string text)
    {
        File.WriteAllText(_folder.At(name), text);
        return _folder.At(name);
    }

    private sealed class FewSteps(IPainter painter) : IPainter
    {
        public string Identity => painter.Identity;

        public bool TakesHiDiffusion => painter.TakesHiDiffusion;

        public Task<Picture> PaintAsync(string caption, long seed, PaintSettings settings) => painter.PaintAsync(caption, seed, settings with { Steps = 1 });

        public ValueTask DisposeAsync() => painter.DisposeAsync();
    }
}
