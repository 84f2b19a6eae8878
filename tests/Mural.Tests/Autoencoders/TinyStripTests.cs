using Mural.Autoencoders;
using Mural.Imaging;
using Mural.Layers.Strips;
using Mural.Pipelines;
using Mural.Runtime;
using static Mural.Tests.Autoencoders.TinyAutoencoders;

namespace Mural.Tests.Autoencoders;

/// <summary>TAESD in strips gives what the whole picture gives, at any size and any strip.</summary>
[Trait("Area", "vae")]
public class TinyStripTests
{
    // Four resolutions as TAESD has, of which two are kept and two are computed again.
    private static readonly AutoencoderTinyConfig Deep = TinyConfig with { EncoderBlocks = [1, 2, 1, 2], DecoderBlocks = [2, 1, 2, 1] };

    // Bytes of a strip: so few that it is single rows of the latent, some rows, the picture.
    private static readonly long[] Strips = [1, 4_000, 1 << 20];

    public static TheoryData<int, int, bool> Sizes => new() { { 8, 8, false }, { 40, 64, false }, { 176, 24, true }, { 75, 43, false }, { 1, 9, false } };

    [Theory, MemberData(nameof(Sizes))]
    public void PictureIsThatOfTheWhole(int height, int width, bool onDisk)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using AutoencoderTiny vae = Tiny(Deep);
        Tensor picture = Pictures(height, width).narrow(0, 0, 1), encoded = vae.Encode(picture);
        Tensor latent = Latents((height + 7) / 8, (width + 7) / 8).narrow(0, 0, 1), decoded = vae.Decode(latent);
        foreach (long bytes in Strips)
        {
            using DisposeScope inner = NewDisposeScope();
            var options = new StripOptions { StripBytes = bytes, Folder = onDisk ? Path.GetTempPath() : null };
            Tensor inStrips = vae.EncodeStrips(height, width, (first, count) => picture.narrow(2, first, count), float32, CPU, options);
            Assert.True(
                Distance(inStrips, encoded) < 1e-6 && Distance(Decode(vae, latent, options), decoded) < 1e-6,
                $"{Distance(inStrips, encoded)} {Distance(Decode(vae, latent, options), decoded)}");
        }
    }

    [Fact]
    public void CodecEncodesAndDecodesInStrips()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        RuntimePlan runtime = RuntimePlan.Choose(new RuntimeOptions { Device = "cpu", Precision = Precision.Float32 });
        using var codec = new TinyCodec(Tiny(), runtime, decodeMemory: 1);
        using var whole = new TinyCodec(Tiny(), runtime, long.MaxValue);
        Assert.NotNull(codec.Strips(24, 20));
        Assert.Null(whole.Strips(24, 20));
        Tensor latents = Latents(6, 5), expected = whole.Decode(latents);
        Assert.InRange(Distance(codec.Decode(latents), expected), 0, 1e-6);
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            using RgbFile file = RgbFile.Create(path, 20, 24);
            codec.Decode(latents.narrow(0, 0, 1), file, TestContext.Current.CancellationToken);
            Picture picture = file.Read(0, 24);
            Assert.All(picture.Data.Zip(PictureTensors.ToPictures(expected)[0].Data), pair => Assert.InRange(pair.First - pair.Second, -1, 1));
            // Nothing is drawn: the noise is never asked.
            Tensor encoded = codec.Encode(file, null!, TestContext.Current.CancellationToken);
            Assert.InRange(Distance(encoded, whole.Encode(PictureTensors.FromPicture(picture), null!, 1)), 0, 1e-6);
        }
        finally
        {
            File.Delete(path);
        }
    }

    // In strips on the disk, memory hangs on the width alone; in memory, maps of a quarter of the sides are kept.
    [Fact]
    public void LargePicturesTakeLittleMemoryInStrips()
    {
        RuntimePlan runtime = RuntimePlan.Choose(new RuntimeOptions { Device = "cpu", Precision = Precision.Float32 });
        using var codec = new TinyCodec(Tiny(), runtime, long.MaxValue);
        CodecEstimate Of(long height, MemoryMode mode) => codec.Estimate(height, 8192, mode);
        Assert.Equal(Of(8192, MemoryMode.Disk).Decode.Peak, Of(65536, MemoryMode.Disk).Decode.Peak);
        Assert.True(Of(65536, MemoryMode.Disk).DecodeDiskBytes > Of(8192, MemoryMode.Disk).DecodeDiskBytes);
        Assert.True(Of(65536, MemoryMode.Strips).Decode.Peak < Of(65536, MemoryMode.Whole).Decode.Peak / 12);
        Assert.Equal(0, Of(65536, MemoryMode.Strips).DecodeDiskBytes);
    }

    [Fact]
    public void TensorsAreGivenBack()
    {
        using AutoencoderTiny vae = Tiny(Deep);
        foreach (string? folder in new[] { null, Path.GetTempPath() })
            LiveTensors.AssertFlat(() =>
            {
                using var scope = NewDisposeScope();
                var options = new StripOptions { StripBytes = 100, Folder = folder };
                Decode(vae, Latents(6, 5).narrow(0, 0, 1), options);
                vae.EncodeStrips(24, 20, (first, count) => zeros(1, 3, count, 20), float32, CPU, options);
            });
    }

    [Fact]
    public void EndedRunLeavesNothingBehind()
    {
        using AutoencoderTiny vae = Tiny(Deep);
        LiveTensors.AssertFlat(() =>
        {
            using var scope = NewDisposeScope();
            using var ending = new CancellationTokenSource();
            var options = new StripOptions { StripBytes = 100, Cancellation = ending.Token };
            Assert.Throws<OperationCanceledException>(() => vae.DecodeStrips(Latents(6, 5).narrow(0, 0, 1), (_, _) => ending.Cancel(), options));
        });
    }

    private static Tensor Decode(AutoencoderTiny vae, Tensor latent, StripOptions options) => Joined(take => vae.DecodeStrips(latent, take, options));
}
