using Mural.Autoencoders;
using Mural.Imaging;
using Mural.Training.Data;

namespace Mural.Tests.Training.Data;

public sealed class PictureSetTests : IDisposable
{
    private readonly TrainingFolder _folder = new();
    private readonly List<string> _messages = [];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ABrokenPictureIsReportedAndLeftOut()
    {
        _folder.WriteText("pictures/heart/broken.png", "not a picture at all");
        string empty = _folder.WriteText("pictures/star/empty.jpg", "");
        using PictureSet set = Open(new DataConfig { Folder = "pictures", Size = 16 });
        Assert.Equal(TrainingFolder.Pictures + 2, set.Items.Count);
        Assert.Equal(TrainingFolder.Pictures, set.Training.Count);
        Assert.Equal(2, set.Broken.Count);
        Assert.DoesNotContain(set.Training, row => set.Items[row].Name is "broken" or "empty");
        Assert.Contains(_messages, message => message.Contains("2 of 14 pictures are left out", StringComparison.Ordinal) && message.Contains(empty, StringComparison.Ordinal));
        // Also when they come from the cache.
        _messages.Clear();
        using PictureSet again = Open(new DataConfig { Folder = "pictures", Size = 16 });
        Assert.Equal(set.Training, again.Training);
        Assert.Single(_messages);
    }

    [Fact]
    public void APictureThatCannotBeReadTodayIsNotTakenForBroken()
    {
        // Nothing lies at the first address of a process: the file is there, and reading it is an error of input and output.
        const string Unreadable = "/proc/self/mem";
        if (!File.Exists(Unreadable)) return;
        _folder.WriteText("l.jsonl", $"{{\"file\": \"pictures/heart/00.png\"}}\n{{\"file\": \"{Unreadable}\"}}\n");
        MuralException problem = Assert.Throws<MuralException>(() => Open(new DataConfig { Index = "l.jsonl", Size = 16, Cache = "kept" }));
        Assert.Contains($"{Unreadable} cannot be read (", problem.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder.At("kept")));
    }

    [Fact]
    public void WhatAKilledRunLeftIsRemovedUnlessSomebodyWritesIt()
    {
        var config = new DataConfig { Folder = "pictures", Size = 16, Cache = "kept" };
        string pixels;
        using (PictureSet set = Open(config)) pixels = _folder.At($"kept/pictures-{set.Key}.bin");
        File.Delete(pixels);
        File.WriteAllText(pixels + ".0123.tmp", "half");
        File.WriteAllText(_folder.At("kept/pictures-other.bin.0123.tmp"), "of another set");
        using (File.Create(pixels + ".4567.tmp")) Open(config).Dispose();
        string[] expected = [pixels, pixels + ".4567.tmp", Path.ChangeExtension(pixels, ".json"), _folder.At("kept/pictures-other.bin.0123.tmp")];
        Assert.Equal(expected.Order(StringComparer.Ordinal), Directory.GetFiles(_folder.At("kept")).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void NothingButBrokenPicturesIsOneSentence()
    {
        Directory.CreateDirectory(_folder.At("bad"));
        _folder.WriteText("bad/one.png", "no");
        MuralException problem = Assert.Throws<MuralException>(() => Open(new DataConfig { Folder = "bad" }));
        Assert.Contains("None of the 1 pictures of 'bad' can be trained on; 1 are broken", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TransparentPixelsShowTheBackground()
    {
        var clear = new Picture(16, 16, 4);
        for (int i = 0; i < 16 * 8; i++) (clear.Data[4 * i], clear.Data[4 * i + 3]) = (200, 255);
        PictureWriter.Write(_folder.At("clear/half.png"), clear);
        using PictureSet set = Open(new DataConfig { Folder = "clear", Size = 16, Background = "#1080ff" });
        using var scope = NewDisposeScope();
        Tensor picture = set.Bytes([0])[0];
        Assert.Equal([200, 0, 0], Pixel(picture, 3, 3));
        Assert.Equal([0x10, 0x80, 0xff], Pixel(picture, 12, 3));
        Tensor values = set.Pictures([0]);
        Assert.Equal(1f, values[0, 2, 12, 3].item<float>());
        Assert.Equal(-1f, values[0, 1, 3, 3].item<float>());
    }

    [Fact]
    public void APictureOfAnotherShapeIsFittedAndCropped()
    {
        // Three squares of colour side by side: the middle one is what is left.
        var wide = new Picture(96, 32, 3);
        for (int i = 0; i < 96 * 32; i++) wide.Data[3 * i + i % 96 / 32] = 255;
        PictureWriter.Write(_folder.At("wide/three.png"), wide);
        using PictureSet set = Open(new DataConfig { Folder = "wide", Size = 16 });
        using var scope = NewDisposeScope();
        Assert.Equal([0, 255, 0], Pixel(set.Bytes([0])[0], 8, 8));
    }

    [Fact]
    public void DecodedPicturesAreKeptUnderWhatTheyDependOn()
    {
        var config = new DataConfig { Folder = "pictures", Size = 16, Cache = "kept" };
        string key;
        using (PictureSet first = Open(config)) key = first.Key;
        Assert.Contains(_messages, message => message.StartsWith("decoding", StringComparison.Ordinal));
        _messages.Clear();
        using (PictureSet again = Open(config)) Assert.Equal(key, again.Key);
        Assert.Empty(_messages);
        Assert.Equal([$"pictures-{key}.bin", $"pictures-{key}.json"], Directory.GetFiles(_folder.At("kept")).Select(Path.GetFileName).Order(StringComparer.Ordinal));

        var keys = new HashSet<string> { key };
        foreach (DataConfig other in new[] { config with { Size = 8 }, config with { Background = "#000000" } })
        {
            using PictureSet set = Open(other);
            Assert.True(keys.Add(set.Key));
        }
        File.SetLastWriteTimeUtc(_folder.At("pictures/heart/00.png"), DateTime.UtcNow.AddHours(1));
        using (PictureSet touched = Open(config)) Assert.True(keys.Add(touched.Key));
        _folder.WritePicture("pictures/heart/new.png", 16, 3);
        using (PictureSet more = Open(config)) Assert.True(keys.Add(more.Key));
    }

    [Fact]
    public void ACacheOfAnotherLengthIsRefused()
    {
        string file;
        using (PictureSet set = Open(new DataConfig { Folder = "pictures", Size = 16 })) file = _folder.At($"pictures/cache/pictures-{set.Key}.bin");
        using (FileStream stream = File.OpenWrite(file)) stream.SetLength(1000);
        Assert.Contains(
            "delete it and start again", Assert.Throws<MuralException>(() => Open(new DataConfig { Folder = "pictures", Size = 16 })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void HeldOutPicturesAreNeverTrainedOn()
    {
        using PictureSet set = Open(new DataConfig { Index = "list.jsonl", Size = 16 });
        Assert.Equal(["05"], set.HeldOut.Select(row => set.Items[row].Name));
        Assert.DoesNotContain(set.HeldOut[0], new SampleOrder(set.Training, seed: 1).Take(0, 500));
    }

    [Fact]
    public void AStoppedDecodingLeavesNothing()
    {
        Assert.ThrowsAny<OperationCanceledException>(() =>
            PictureSet.Open(new DataConfig { Folder = "pictures", Cache = "kept" }, _folder.At("settings.json"), _ => { }, new CancellationToken(true)));
        Assert.Empty(Directory.GetFiles(_folder.At("kept")));
    }

    [Fact]
    public void LatentsAreEncodedOnceWithTheirMirrorImages()
    {
        using PictureSet pictures = Open(new DataConfig { Folder = "pictures", Size = 32 });
        using AutoencoderKL autoencoder = AutoencoderKL.FromFolder(_folder.At("vae"));
        LatentSet Latents(bool mirrored, ScalarType type) =>
            LatentSet.Open(pictures, new LatentEncoding(autoencoder, type, CPU, mirrored), _folder.At("latents"), _messages.Add, CancellationToken.None);

        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using LatentSet plain = Latents(false, float32), mirrored = Latents(true, float32), rounded = Latents(false, bfloat16);
        Assert.Equal(3, Directory.GetFiles(_folder.At("latents")).Length);
        Assert.Equal(3, new[] { plain.Key, mirrored.Key, rounded.Key }.Distinct().Count());
        _messages.Clear();
        using LatentSet again = Latents(true, float32);
        Assert.Empty(_messages);

        Tensor picture = pictures.Pictures([2, 5]);
        int count = pictures.Items.Count;
        AssertClose(autoencoder.EncodeMoments(picture), plain.Moments([2, 5]));
        AssertClose(autoencoder.EncodeMoments(picture), again.Moments([2, 5]));
        AssertClose(autoencoder.EncodeMoments(picture.flip(3)), again.Moments([2 + count, 5 + count]));
        Tensor noise = randn(2, 4, 4, 4);
        Tensor expected = autoencoder.ScaleLatent(autoencoder.Encode(picture).Sample(noise));
        AssertClose(expected, plain.Latents([2, 5], noise));
    }

    // They are kept in half precision.
    private static void AssertClose(Tensor expected, Tensor actual) => Assert.True((expected - actual).norm().item<float>() < 1e-3 * expected.norm().item<float>());

    private static byte[] Pixel(Tensor picture, int y, int x) => [.. Enumerable.Range(0, 3).Select(channel => picture[channel, y, x].item<byte>())];

    private PictureSet Open(DataConfig config) => PictureSet.Open(config, _folder.At("settings.json"), _messages.Add, CancellationToken.None);
}
