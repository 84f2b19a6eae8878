using System.Text;
using Mural.Hub;

namespace Mural.Tests.Hub;

public sealed class ModelHubTests : IDisposable
{
    private const string Pipeline = """{ "_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],"""
        + """ "safety_checker": ["stable_diffusion", "x"], "image_encoder": [null, null] }""";

    private readonly string _folder = Directory.CreateTempSubdirectory("mural-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task OnlyWhatAModelNeedsIsFetched()
    {
        using var server = new HubServer(
            ("README.md", Text("read me")), ("model_index.json", Text(Pipeline)), ("model.safetensors", Bytes(9)),
            ("unet/config.json", Text("{}")), ("unet/diffusion_pytorch_model.safetensors", Bytes(5000)),
            ("unet/diffusion_pytorch_model.fp16.safetensors", Bytes(2500)), ("unet/diffusion_pytorch_model.bin", Bytes(5000)),
            ("vae/config.json", Text("{ }")), ("vae/diffusion_pytorch_model.safetensors", Bytes(300)), ("safety_checker/model.safetensors", Bytes(7)))
        { PageSize = 3 };
        PullResult plain = await ModelHub.PullAsync(Request(), server.Options, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(
            ["model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors", "vae/config.json", "vae/diffusion_pytorch_model.safetensors"],
            plain.Files.Order(StringComparer.Ordinal));
        Assert.Equal(5, plain.Fetched);
        Assert.Equal(Bytes(5000), File.ReadAllBytes(At("unet/diffusion_pytorch_model.safetensors")));

        PullResult variant = await ModelHub.PullAsync(Request() with { Variant = "fp16" }, server.Options, cancellation: TestContext.Current.CancellationToken);
        // The autoencoder has no such variant and is there already.
        Assert.Equal(1, variant.Fetched);
        Assert.Contains("unet/diffusion_pytorch_model.fp16.safetensors", variant.Files);
        Assert.Contains("vae/diffusion_pytorch_model.safetensors", variant.Files);
        Assert.Empty(Directory.GetFiles(_folder, "*.part", SearchOption.AllDirectories));
    }

    [Theory]
    [InlineData(null, "pytorch_model.bin")]
    [InlineData("fp16", "pytorch_model.fp16.bin")]
    [InlineData("fp32", "pytorch_model.bin")]
    public void OfOldFormatsToo(string? variant, string chosen)
    {
        HubFile[] files = [.. new[] { "config.json", "pytorch_model.bin", "pytorch_model.fp16.bin", "openvino_model.bin" }.Select(name => Listed("text_encoder/" + name))];
        Assert.Equal(["config.json", chosen], HubSelection.OfFolder(files, variant).Select(file => file.Name));
        Assert.Equal(["config.json", "pytorch_model.fp16.bin"], HubSelection.OfFolder([files[0], files[2], files[3]], null).Select(file => file.Name));
    }

    [Theory]
    [InlineData(null, "diffusion_pytorch_model.safetensors")]
    [InlineData("fp16", "diffusion_pytorch_model.fp16.safetensors")]
    [InlineData("bf16", "diffusion_pytorch_model.safetensors")]
    public void OfSeveralWeightsThoseOfTheUsualName(string? variant, string chosen)
    {
        string[] names =
        [
            "config.json", "canny.safetensors", "canny.fp16.safetensors",
            "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model_promax.safetensors"
        ];
        Assert.Equal(["config.json", chosen], HubSelection.OfFolder([.. names.Select(Listed)], variant).Select(file => file.Name));
        string[] shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"];
        Assert.Equal(shards, HubSelection.OfFolder([.. shards.Append("other.safetensors").Select(Listed)], variant).Select(file => file.Name));
        // Of another name only where there are no others.
        Assert.Equal(["config.json", "canny.safetensors"], HubSelection.OfFolder([.. names.Take(2).Select(Listed)], variant).Select(file => file.Name));
    }

    [Fact]
    public void AComponentWithoutWeightsIsRefused()
    {
        HubFile[] files = [.. new[] { "model_index.json", "unet/config.json", "unet/flax_model.msgpack", "vae/config.json", "vae/diffusion_pytorch_model.safetensors" }
            .Select(Listed)];
        Assert.Contains("no weights of its component unet", Assert.Throws<MuralException>(() => HubSelection.OfPipeline(files, Pipeline, null)).Message, StringComparison.Ordinal);
    }

    private static HubFile Listed(string path) => new(path, 1, null, null);

    [Fact]
    public async Task ADroppedConnectionIsTakenUpWhereItEnded()
    {
        using var server = new HubServer(("config.json", Text("{}")), ("model.safetensors", Bytes(10_000)));
        foreach (int bytes in (int[])[2, 4000, 3000, 10_000]) server.DropAfter.Enqueue(bytes);
        var seen = new List<long>();
        await ModelHub.PullAsync(Request(), server.Options, new Watch(progress => seen.Add(progress.Bytes)), TestContext.Current.CancellationToken);
        Assert.Equal(Bytes(10_000), File.ReadAllBytes(At("model.safetensors")));
        Assert.Contains(server.Asked, asked => asked.Offset > 0);
        Assert.Equal(seen.Order(), seen);
        Assert.Equal(10_002, seen[^1]);
    }

    [Fact]
    public async Task AServerWithoutOffsetsIsAskedForAllAgain()
    {
        using var server = new HubServer(("model.safetensors", Bytes(10_000))) { WithoutRanges = true };
        foreach (int bytes in (int[])[4000, 10_000]) server.DropAfter.Enqueue(bytes);
        await ModelHub.PullAsync(Request(), server.Options, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(Bytes(10_000), File.ReadAllBytes(At("model.safetensors")));
    }

    [Fact]
    public async Task WrongBytesAreFetchedAgainAndNeverKept()
    {
        using (var server = new HubServer(("model.safetensors", Bytes(1000))) { WrongAnswers = 1 })
        {
            await ModelHub.PullAsync(Request(), server.Options, cancellation: TestContext.Current.CancellationToken);
            Assert.Equal(Bytes(1000), File.ReadAllBytes(At("model.safetensors")));
        }
        File.Delete(At("model.safetensors"));
        using var liar = new HubServer(("model.safetensors", Bytes(1000))) { WrongAnswers = 100 };
        var error = await Assert.ThrowsAsync<MuralException>(() => ModelHub.PullAsync(Request(), liar.Options));
        Assert.Contains("other bytes", error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder));
    }

    [Fact]
    public async Task BytesThatDoNotComeAreNotWaitedForForever()
    {
        using var server = new HubServer(("model.safetensors", Bytes(1000))) { StalledAnswers = 1 };
        await ModelHub.PullAsync(Request(), server.Options, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(Bytes(1000), File.ReadAllBytes(At("model.safetensors")));
        Assert.Equal(500, server.Asked[^1].Offset);
    }

    [Fact]
    public async Task SlowBytesAreWaitedForAsLongAsTheyCome()
    {
        // All together they take longer than one may be waited for.
        using var server = new HubServer(("model.safetensors", Bytes(1000))) { Pause = TimeSpan.FromMilliseconds(150) };
        await ModelHub.PullAsync(Request(), server.Options, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(Bytes(1000), File.ReadAllBytes(At("model.safetensors")));
        Assert.Single(server.Asked);
    }

    [Fact]
    public async Task ABusyServerIsAskedAgainAndAtLastGivenUp()
    {
        using (var server = new HubServer(("model.safetensors", Bytes(1000))) { BusyAnswers = 3 })
        {
            await ModelHub.PullAsync(Request(), server.Options, cancellation: TestContext.Current.CancellationToken);
            Assert.Equal(Bytes(1000), File.ReadAllBytes(At("model.safetensors")));
        }
        using var busy = new HubServer(("model.safetensors", Bytes(1000))) { BusyAnswers = 100 };
        var error = await Assert.ThrowsAsync<MuralException>(() => ModelHub.PullAsync(Request(), busy.Options));
        Assert.Contains("503", error.Message, StringComparison.Ordinal);
        Assert.Equal(96, busy.BusyAnswers);
    }

    [Fact]
    public async Task AConnectionThatBringsNothingIsGivenUp()
    {
        using var server = new HubServer(("model.safetensors", Bytes(1000)));
        server.DropAfter.Enqueue(0);
        var error = await Assert.ThrowsAsync<MuralException>(() => ModelHub.PullAsync(Request(), server.Options));
        Assert.Contains("goes on where it was", error.Message, StringComparison.Ordinal);
        Assert.Equal(4, server.Asked.Count);
    }

    [Fact]
    public async Task AnInterruptedPullGoesOn()
    {
        using var server = new HubServer(("model.safetensors", Bytes(4_000_000)));
        using var stop = new CancellationTokenSource();
        server.DropAfter.Enqueue(1_500_000);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ModelHub.PullAsync(Request(), server.Options, new Watch(_ => stop.Cancel()), stop.Token));
        Assert.False(File.Exists(At("model.safetensors")));
        Assert.Single(Directory.GetFiles(_folder, "*.part"));
        server.DropAfter.Clear();
        await ModelHub.PullAsync(Request(), server.Options, cancellation: TestContext.Current.CancellationToken);
        Assert.True(server.Asked[^1].Offset > 0);
        Assert.Equal(Bytes(4_000_000), File.ReadAllBytes(At("model.safetensors")));
    }

    [Fact]
    public void WhatHasBegunToComeNeedsNoRoomAgain()
    {
        HubFile begun = new("unet/model.safetensors", 1000, new string('a', 64), null),
            there = new("config.json", 10, null, new string('b', 40)), absent = new("vae.safetensors", 300, null, null);
        Directory.CreateDirectory(At("unet"));
        File.WriteAllBytes(HubDownload.Partial(At(begun.Path), begun), Bytes(400));
        File.WriteAllBytes(At(there.Path), Bytes(10));
        Assert.Equal(900, ModelHub.Missing(_folder, [begun, there, absent]));
        // Of another version, or more than there is to come: it will be fetched anew, and over it.
        Assert.Equal(1000, ModelHub.Missing(_folder, [begun with { Sha256 = new string('c', 64) }]));
        Assert.Equal(0, ModelHub.Missing(_folder, [begun with { Size = 100 }]));
    }

    [Fact]
    public async Task ATokenIsSentAndItsLackNamed()
    {
        using var server = new HubServer(("model.safetensors", Bytes(10))) { Token = "secret" };
        var error = await Assert.ThrowsAsync<MuralException>(() => ModelHub.PullAsync(Request(), server.Options));
        Assert.Contains(HubOptions.TokenVariable, error.Message, StringComparison.Ordinal);
        await ModelHub.PullAsync(Request(), server.Options with { Token = "secret" }, cancellation: TestContext.Current.CancellationToken);
        Assert.True(File.Exists(At("model.safetensors")));
    }

    [Fact]
    public async Task ATokenGoesWhereARepositoryIsCalledNow()
    {
        using var server = new HubServer(("model.safetensors", Bytes(10))) { Token = "secret", FormerName = "someone/old" };
        await ModelHub.PullAsync(Request() with { Repository = "someone/old" }, server.Options with { Token = "secret" }, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(Bytes(10), File.ReadAllBytes(At("model.safetensors")));
        Assert.Equal(["Bearer secret", "Bearer secret"], server.Tokens);
    }

    [Fact]
    public async Task ATokenGoesToNoOtherServer()
    {
        using var files = new HubServer(("model.safetensors", Bytes(10)));
        using var server = new HubServer(("model.safetensors", Bytes(10))) { Token = "secret", Elsewhere = path => $"http://127.0.0.1:{files.Port}{path}" };
        await ModelHub.PullAsync(Request(), server.Options with { Token = "secret" }, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(Bytes(10), File.ReadAllBytes(At("model.safetensors")));
        Assert.Equal("Bearer secret", Assert.Single(server.Tokens));
        Assert.Null(Assert.Single(files.Tokens));
    }

    [Fact]
    public async Task AnOffsetIsSentOn()
    {
        using var files = new HubServer(("model.safetensors", Bytes(10_000)));
        using var server = new HubServer(("model.safetensors", Bytes(10_000))) { Elsewhere = path => $"http://127.0.0.1:{files.Port}{path}" };
        foreach (int bytes in (int[])[4000, 10_000]) files.DropAfter.Enqueue(bytes);
        await ModelHub.PullAsync(Request(), server.Options, cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(Bytes(10_000), File.ReadAllBytes(At("model.safetensors")));
        Assert.Equal([0, 4000], files.Asked.Select(asked => asked.Offset));
    }

    [Theory]
    [InlineData("{0}", "on more than 10 times")]
    [InlineData("ftp://127.0.0.1/model.safetensors", "307")]
    public async Task AWayThatLeadsNowhereIsGivenUp(string address, string reason)
    {
        using var server = new HubServer(("model.safetensors", Bytes(10))) { Elsewhere = path => string.Format(System.Globalization.CultureInfo.InvariantCulture, address, path) };
        var error = await Assert.ThrowsAsync<MuralException>(() => ModelHub.PullAsync(Request(), server.Options));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""[{ "type": "file", "path": "../evil.safetensors", "size": 1, "oid": "00" }]""")]
    [InlineData("""[{ "type": "file", "path": "/etc/evil", "size": 1, "oid": "00" }]""")]
    [InlineData("""[{ "type": "file", "path": "a\\..\\..\\evil", "size": 1, "oid": "00" }]""")]
    [InlineData("""[{ "type": "file", "path": "a", "size": -1, "oid": "00" }]""")]
    [InlineData("""[{ "type": "file", "path": "a", "size": 1, "oid": "0" }]""")]
    [InlineData("""[{ "type": "file", "path": "a", "size": 9223372036854775807, "oid": "0000000000000000000000000000000000000000" }]""")]
    [InlineData("""[{ "type": "file", "path": "a", "size": 1, "oid": "00", "lfs": { "oid": "sha256:xyz" } }]""")]
    [InlineData("""{ "error": "no" }""")]
    [InlineData("<html>")]
    public async Task AListThatIsNoneIsRefused(string list)
    {
        using var server = new HubServer { List = list };
        var error = await Assert.ThrowsAsync<MuralException>(() => ModelHub.PullAsync(Request(), server.Options));
        Assert.Contains("something else than a list", error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }

    [Fact]
    public async Task WhatIsNotThereIsNamed()
    {
        using var server = new HubServer(("a.safetensors", Bytes(1)), ("b.safetensors", Bytes(1)));
        await Fails("ORGANISATION/NAME", Request() with { Repository = "model" });
        await Fails("ORGANISATION/NAME", Request() with { Repository = "../x" });
        await Fails("has no else/where", Request() with { Repository = "else/where" });
        await Fails("--file", Request());
        await Fails("a.safetensors, b.safetensors", Request() with { Files = ["c.safetensors"] });
        Assert.Equal(
            ["b.safetensors"],
            (await ModelHub.PullAsync(Request() with { Files = ["b.safetensors"] }, server.Options, cancellation: TestContext.Current.CancellationToken)).Files);

        async Task Fails(string expected, PullRequest request)
        {
            var error = await Assert.ThrowsAsync<MuralException>(() => ModelHub.PullAsync(request, server.Options));
            Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("model.safetensors", null)]
    [InlineData("model.fp16.safetensors", "fp16")]
    [InlineData("model-00001-of-00002.safetensors", null)]
    [InlineData("model.fp16-00001-of-00002.safetensors", "fp16")]
    [InlineData("model.safetensors.index.json", null)]
    [InlineData("model.safetensors.index.fp16.json", "fp16")]
    [InlineData("model.safetensors.fp16.index.json", "fp16")]
    [InlineData("diffusion_pytorch_model.non_ema.safetensors", "non_ema")]
    public void AVariantIsReadFromTheName(string name, string? variant) => Assert.Equal(variant, HubSelection.VariantOf(name));

    private PullRequest Request() => new() { Repository = HubServer.Repository, Folder = _folder };

    private string At(string path) => Path.Combine(_folder, path);

    private static byte[] Text(string text) => Encoding.UTF8.GetBytes(text);

    private static byte[] Bytes(int count)
    {
        byte[] bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        return bytes;
    }

    private sealed class Watch(Action<PullProgress> action) : IProgress<PullProgress>
    {
        public void Report(PullProgress value) => action(value);
    }
}
