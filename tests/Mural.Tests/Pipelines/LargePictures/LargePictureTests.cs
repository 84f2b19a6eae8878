using Mural.Imaging;
using Mural.Pipelines;
using Mural.Tests.Autoencoders;
using Mural.Tests.LinFusion;

namespace Mural.Tests.Pipelines;

/// <summary>Large pictures as a library paints them: plans, stages that outlive a run, files.</summary>
[Trait("Area", LinFusionGoldens.Area)]
public sealed class LargePictureTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static LargePictureRequest Request(UpscaleMethod method, string? sampler = "euler") => new()
    {
        Picture = method == UpscaleMethod.SuperResolution
            ? new StableDiffusionRequest { Prompt = "fox", Steps = 4, Seed = 5, Sampler = sampler, InitialPicture = TinyStableDiffusion.Gradient(40, 24) }
            : new StableDiffusionRequest { Prompt = "fox", Steps = 4, Seed = 5, Sampler = sampler, Width = 32, Height = 24 },
        // Super-resolution begins beyond the model's own size.
        Width = method == UpscaleMethod.SuperResolution ? 256 : 128,
        Height = method == UpscaleMethod.SuperResolution ? 192 : 96,
        Method = method,
    };

    [Theory]
    [InlineData(UpscaleMethod.SdEdit, TinyStableDiffusion.First)]
    [InlineData(UpscaleMethod.HighResolution, TinyStableDiffusion.XL)]
    [InlineData(UpscaleMethod.SuperResolution, TinyStableDiffusion.XL)]
    public async Task EndedAtAnyStageTheSamePictureIsPainted(UpscaleMethod method, string model)
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(model);
        LargePictureRequest request = Request(method);
        LargePicturePlan plan = pipeline.Plan(request);
        byte[] whole;
        using (LargePicture picture = await pipeline.GenerateLargeAsync(request, _folder.At("whole"), cancellationToken: TestContext.Current.CancellationToken))
            whole = picture.ToPicture().Data;
        Assert.Equal((request.Width, request.Height), (plan.Width, plan.Height));
        for (int stage = 0; stage < plan.Stages.Count; stage++)
        {
            if (plan.Stages[stage].Calls == 0) continue;
            string stages = _folder.At($"ended-{stage}");
            var ended = new Ender(stage, plan.Stages[stage].Calls);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pipeline.GenerateLargeAsync(request, stages, ended, ended.Token));
            // What a process that is killed leaves of the stage that it was in.
            await File.WriteAllBytesAsync(Path.Combine(stages, $"stage-{stage}.rgb.part"), [1, 2, 3], TestContext.Current.CancellationToken);
            int repeated = 0;
            var counter = new Counter(() => repeated++);
            using LargePicture resumed = await pipeline.GenerateLargeAsync(request, stages, counter, TestContext.Current.CancellationToken);
            Assert.Equal(whole, resumed.ToPicture().Data);
            Assert.Equal(plan.Stages.Skip(stage).Sum(left => left.Calls), repeated);
        }
    }

    [Fact]
    public async Task StagesOfAnotherPictureAreRefused()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        LargePictureRequest request = Request(UpscaleMethod.SdEdit) with { Width = 64, Height = 48 };
        (await pipeline.GenerateLargeAsync(request, _folder.At("stages"), cancellationToken: TestContext.Current.CancellationToken)).Dispose();
        foreach (LargePictureRequest other in new[]
        {
            request with { Picture = request.Picture with { Seed = 6 } },
            request with { Strength = 0.5 },
            request with { Picture = request.Picture with { Guidance = 2 } },
            request with { Picture = request.Picture with { NegativePrompt = "" } },
        })
        {
            MuralException refused = await Assert.ThrowsAsync<MuralException>(() =>
                pipeline.GenerateLargeAsync(other, _folder.At("stages"), cancellationToken: TestContext.Current.CancellationToken));
            TinyAutoencoders.AssertOneSentence(refused.Message);
        }
    }

    [Fact]
    public async Task FolderIsOneRunsAtATime()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        LargePictureRequest request = Request(UpscaleMethod.SdEdit) with { Width = 64, Height = 48 };
        Task<LargePicture> Paint() => pipeline.GenerateLargeAsync(request, _folder.At("stages"), cancellationToken: TestContext.Current.CancellationToken);
        byte[] painted;
        using (LargePicture picture = await Paint())
        {
            painted = picture.ToPicture().Data;
            string refused = (await Assert.ThrowsAsync<MuralException>(Paint)).Message;
            Assert.Contains("Another run is painting into", refused, StringComparison.Ordinal);
            TinyAutoencoders.AssertOneSentence(refused);
        }
        using LargePicture again = await Paint();
        Assert.Equal(painted, again.ToPicture().Data);
    }

    [Fact]
    public async Task FilesOfOthersStay()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        using LargePicture picture = await pipeline.GenerateLargeAsync(
            Request(UpscaleMethod.SdEdit) with { Width = 64, Height = 48 }, _folder.At("stages"), cancellationToken: TestContext.Current.CancellationToken);
        string notes = Path.Combine(_folder.At("stages"), "notes.txt"), tile = Path.Combine(Directory.CreateDirectory(_folder.At("own_files")).FullName, "photo.jpg");
        await File.WriteAllTextAsync(notes, "mine", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(tile, "mine", TestContext.Current.CancellationToken);
        TinyAutoencoders.AssertOneSentence(Assert.Throws<MuralException>(() => picture.SaveDeepZoom(_folder.At("own"))).Message);
        Assert.True(File.Exists(tile));
        // Beside an index it is an earlier pyramid, of which nothing stays.
        await File.WriteAllTextAsync(_folder.At("own.dzi"), "an earlier one", TestContext.Current.CancellationToken);
        picture.SaveDeepZoom(_folder.At("own"));
        Assert.False(File.Exists(tile));
        Assert.True(File.Exists(Path.Combine(_folder.At("own_files"), "6", "0_0.jpg")));
        picture.DeleteStages();
        Assert.Equal([notes], Directory.GetFileSystemEntries(_folder.At("stages")));
        Assert.Equal(3, Directory.GetFileSystemEntries(_folder.Path).Length);
    }

    [Fact]
    public async Task StripsPaintWhatTheWholePaints()
    {
        LargePictureRequest request = Request(UpscaleMethod.SdEdit);
        var pictures = new List<byte[]>();
        foreach (long memory in new[] { long.MaxValue, 1 })
        {
            await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First, new StableDiffusionOptions { DecodeMemory = memory });
            using LargePicture picture = await pipeline.GenerateLargeAsync(request, _folder.At($"stages-{memory}"), cancellationToken: TestContext.Current.CancellationToken);
            pictures.Add(picture.ToPicture().Data);
        }
        TinyStableDiffusion.AssertClose(pictures[0], pictures[1]);
    }

    [Fact]
    public async Task FilesHoldThePicture()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        using LargePicture picture = await pipeline.GenerateLargeAsync(
            Request(UpscaleMethod.SdEdit), _folder.At("stages"), cancellationToken: TestContext.Current.CancellationToken);
        var metadata = PictureMetadata.Of(picture.Parameters, null);
        picture.Save(_folder.At("fox.png"), metadata);
        Assert.Equal(picture.ToPicture().Data, PictureReader.Read(_folder.At("fox.png")).Data);
        Assert.Contains("Upscale to: 128x96", PictureReader.Identify(_folder.At("fox.png")).Metadata.Parameters, StringComparison.Ordinal);
        picture.Save(_folder.At("fox.tif"), metadata);
        using (NetVips.Image tiff = NetVips.Image.NewFromFile(_folder.At("fox.tif"))) Assert.Equal(picture.ToPicture().Data, tiff.WriteToMemory<byte>());
        picture.Save(_folder.At("fox.jpg"), metadata);
        Assert.Equal(128, PictureReader.Read(_folder.At("fox.jpg")).Width);
        picture.SaveDeepZoom(_folder.At("tiles"));
        Assert.Contains("Width=\"128\"", await File.ReadAllTextAsync(_folder.At("tiles.dzi"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(_folder.At("tiles_files"), "7", "0_0.jpg")));
        picture.DeleteStages();
        Assert.False(Directory.Exists(_folder.At("stages")));
    }

    [Theory]
    [InlineData(130, 90, 320, 240)]
    [InlineData(64, 64, 64, 64)]
    [InlineData(31, 17, 62, 51)]
    public void RowsAreResizedAsTheWholeIs(int width, int height, int wider, int higher)
    {
        Picture source = TinyStableDiffusion.Gradient(width, height);
        using RgbFile from = RgbFile.Create(_folder.At("from"), width, height), to = RgbFile.Create(_folder.At("to"), wider, higher);
        from.Write(0, source);
        StreamedResize.Bicubic(from, to, TestContext.Current.CancellationToken, stripBytes: 7 * 3 * wider);
        Assert.Equal(PictureResizer.Resize(source, wider, higher, ResizeFilter.Bicubic).Data, to.Read(0, higher).Data);
    }

    public static TheoryData<string> WrongRequests => [.. Wrong.Keys];

    private static readonly Dictionary<string, Func<LargePictureRequest, LargePictureRequest>> Wrong = new()
    {
        ["no pixels"] = request => request with { Width = 0 },
        ["no strength"] = request => request with { Strength = 0 },
        ["too strong"] = request => request with { Strength = 1.5 },
        ["several"] = request => request with { Picture = request.Picture with { Count = 2 } },
        ["mask"] = request =>
            request with { Picture = request.Picture with { InitialPicture = TinyStableDiffusion.Gradient(32, 24), Mask = TinyStableDiffusion.HalfMask(32, 24) } },
        ["nothing to enlarge"] = request => request with { Method = UpscaleMethod.SuperResolution },
        ["not larger"] = _ => Request(UpscaleMethod.SuperResolution) with { Width = 16, Height = 16 },
        ["sampler of several calls"] = request => request with { Method = UpscaleMethod.HighResolution, Picture = request.Picture with { Sampler = "heun" } },
        ["no blur"] = request => request with { Dilation = new DilationSettings { BlurSigma = 0 } },
        ["negative exponent"] = request => request with { Dilation = new DilationSettings { SkipExponent = -1 } },
        ["tiny first stage"] = request => request with { Picture = request.Picture with { Width = 4, Height = 4 } },
    };

    [Theory, MemberData(nameof(WrongRequests))]
    public async Task WrongRequestsAreExplained(string about)
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        TinyAutoencoders.AssertOneSentence(Assert.Throws<MuralException>(() => pipeline.Plan(Wrong[about](Request(UpscaleMethod.SdEdit)))).Message);
    }

    [Fact]
    public async Task SuperResolutionRefusesWhatIsOfAFirstStage()
    {
        await using StableDiffusionPipeline pipeline = await TinyStableDiffusion.Load(TinyStableDiffusion.First);
        LargePictureRequest request = Request(UpscaleMethod.SuperResolution);
        Assert.Equal(2, pipeline.Plan(request).Stages.Count);
        foreach (StableDiffusionRequest picture in new[] { request.Picture with { Width = 64 }, request.Picture with { Height = 64 }, request.Picture with { Strength = 0.5 } })
        {
            string sentence = Assert.Throws<MuralException>(() => pipeline.Plan(request with { Picture = picture })).Message;
            Assert.Contains("of the first stage", sentence, StringComparison.Ordinal);
            TinyAutoencoders.AssertOneSentence(sentence);
        }
    }

    private sealed class Ender(int stage, int calls) : IProgress<LargePictureProgress>
    {
        private readonly CancellationTokenSource _source = new();

        internal CancellationToken Token => _source.Token;

        // In the middle of the stage, or before its only step.
        public void Report(LargePictureProgress value)
        {
            if (value.Stage == stage && value.Step.Stage == (calls == 1 ? StableDiffusionStage.Encoding : StableDiffusionStage.Sampling)) _source.Cancel();
        }
    }

    private sealed class Counter(Action count) : IProgress<LargePictureProgress>
    {
        public void Report(LargePictureProgress value)
        {
            if (value.Step.Stage == StableDiffusionStage.Sampling) count();
        }
    }
}
