using Mural.Autoencoders;
using Mural.Imaging;
using Mural.Layers;
using Mural.Layers.Strips;
using Mural.Pipelines;
using Mural.Runtime;
using static Mural.Tests.Autoencoders.TinyAutoencoders;

namespace Mural.Tests.Autoencoders;

/// <summary>Encoding and decoding in strips gives what the whole picture gives, at any size and any strip.</summary>
[Trait("Area", "vae")]
public class StripTests
{
    // What is promised: at most 2 of 255 steps between black and white, in values from -1 to 1.
    private const double Bound = 2 * 2 / 255.0;

    // Bytes of a strip: single rows, some rows, most of the picture.
    private static readonly long[] Strips = [1, 20_000, 150_000];

    // Not all divide by the strips, nor by the downscale.
    public static TheoryData<int, int, bool> Sizes => new() { { 40, 64, false }, { 75, 43, false }, { 96, 36, true } };

    [Theory, MemberData(nameof(Sizes))]
    public void PictureIsThatOfTheWhole(int height, int width, bool onDisk)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using AutoencoderKL vae = Trained();
        Tensor latent = Latents(height / 4, width / 4).narrow(0, 0, 1), picture = Pictures(height, width).narrow(0, 0, 1);
        Tensor whole = vae.Decode(latent), moments = vae.EncodeMoments(picture);
        foreach (long bytes in Strips)
        {
            using DisposeScope inner = NewDisposeScope();
            var options = new StripOptions { StripBytes = bytes, Folder = onDisk ? Path.GetTempPath() : null };
            Tensor decoded = Decode(vae, latent, options);
            Tensor encoded = vae.EncodeStrips(height, width, (first, count) => picture.narrow(2, first, count), float32, CPU, options);
            double apart = (decoded - whole).abs().max().item<float>(), momentsApart = (encoded - moments).abs().max().item<float>();
            Assert.True(apart <= Bound && momentsApart <= Bound, $"{apart} {momentsApart}");
            // Far below the bound: nothing but rounding.
            Assert.True(Distance(decoded, whole) < 1e-5 && Distance(encoded, moments) < 1e-5, $"{Distance(decoded, whole)} {Distance(encoded, moments)}");
        }
    }

    // A seam would make rows at the edges of strips differ more than the others do.
    [Fact]
    public void NoSeamStandsOut()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using AutoencoderKL vae = Trained();
        Tensor latent = Latents(24, 16).narrow(0, 0, 1);
        AssertNoSeam(Decode(vae, latent, new StripOptions { StripBytes = 4096 }), vae.Decode(latent));
        Tensor picture = Pictures(96, 36).narrow(0, 0, 1);
        AssertNoSeam(vae.EncodeStrips(96, 36, (first, count) => picture.narrow(2, first, count), float32, CPU, new StripOptions { StripBytes = 4096 }), vae.EncodeMoments(picture));
    }

    private static void AssertNoSeam(Tensor strips, Tensor whole)
    {
        Tensor rows = (strips - whole).abs().mean([0, 1, 3]);
        Assert.True(rows.max().item<float>() <= 4 * rows.median().item<float>() + 1e-7, $"{rows.max().item<float>()} {rows.median().item<float>()}");
    }

    // In a reduced precision each way has roundings of its own, and none may be worse.
    [Fact]
    public void BFloat16IsAsNearToTheTruthAsTheWhole()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using AutoencoderKL precise = Trained(), vae = Trained();
        vae.PrepareForInference(KernelSet.Mural, bfloat16);
        Tensor latent = Latents(24, 16).narrow(0, 0, 1).to(bfloat16), truth = precise.Decode(latent.to(float32));
        double strips = Distance(Decode(vae, latent, new StripOptions { StripBytes = 4096 }), truth), whole = Distance(vae.Decode(latent), truth);
        Assert.True(strips <= 1.3 * whole, $"{strips} {whole}");
    }

    // What overflows in float16 runs in float32, with the same weights.
    [Fact]
    public void Float16IsAsNearToTheTruthAsTheWhole()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using AutoencoderKL precise = Trained(), vae = Trained();
        vae.PrepareForInference(KernelSet.Mural, float16);
        Tensor latent = Latents(24, 16).narrow(0, 0, 1), truth = precise.Decode(latent);
        Tensor strips = Decode(vae, latent, new StripOptions { StripBytes = 4096 });
        Assert.Equal(float32, strips.dtype);
        double apart = Distance(strips, truth), whole = Distance(vae.Decode(latent.to(float16)), truth);
        Assert.True(apart <= whole, $"{apart} {whole}");
    }

    [Fact]
    public void CodecOfFloat16DecodesInStrips()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        RuntimePlan runtime = RuntimePlan.Choose(new RuntimeOptions { Device = "cpu", Precision = Precision.Float16 });
        AutoencoderConfig config = KLConfig with { ForceUpcast = false };
        using var codec = new FullCodec(KL(config), runtime, decodeMemory: 1);
        using var whole = new FullCodec(KL(config), runtime, long.MaxValue);
        Tensor latents = Latents(6, 5);
        Tensor painted = codec.Decode(latents), expected = whole.Decode(latents);
        Assert.Equal(float16, painted.dtype);
        Assert.InRange(Distance(painted.to(float32), expected.to(float32)), 0, 5e-3);
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            using RgbFile file = RgbFile.Create(path, 20, 24);
            codec.Decode(latents.narrow(0, 0, 1), file, TestContext.Current.CancellationToken);
            Assert.All(file.Read(0, 24).Data.Zip(PictureTensors.ToPictures(expected)[0].Data), pair => Assert.InRange(pair.First - pair.Second, -2, 2));
        }
        finally
        {
            File.Delete(path);
        }
    }

    // Where a run's whole maps would not fit, the run says where they go.
    [Fact]
    public void MapsOfHugePicturesLieInTheRunsFolder()
    {
        RuntimePlan runtime = RuntimePlan.Choose(new RuntimeOptions { Device = "cpu", Precision = Precision.Float32 });
        using var codec = new FullCodec(KL(), runtime, decodeMemory: 1) { Folder = "stages" };
        Assert.Equal("stages", codec.Strips(1 << 20, 1 << 20)!.Folder);
        Assert.Null(codec.Strips(16, 16)!.Folder);
        codec.LowMemory = new StripOptions();
        Assert.Null(codec.Strips(1 << 20, 1 << 20)!.Folder);
    }

    // Tiles that see themselves only are what this is not.
    [Fact]
    public void TilesOfTheOfficialKindAreFurtherAway()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using AutoencoderKL vae = Trained();
        Tensor latent = Latents(24, 16).narrow(0, 0, 1);
        Assert.True(Distance(vae.Decode(latent, new TileOptions(32)), vae.Decode(latent)) > 1e-3);
    }

    [Fact]
    public void TensorsAreGivenBack()
    {
        using AutoencoderKL vae = Trained();
        foreach (string? folder in new[] { null, Path.GetTempPath() })
            LiveTensors.AssertFlat(() =>
            {
                using var scope = NewDisposeScope();
                var options = new StripOptions { StripBytes = 4096, Folder = folder };
                Tensor latent = Latents(6, 5).narrow(0, 0, 1);
                Decode(vae, latent, options);
                vae.EncodeStrips(24, 20, (first, count) => zeros(1, 3, count, 20), float32, CPU, options);
            });
    }

    // Whoever takes the rows stops somewhere in the middle.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void EndedRunLeavesNothingBehind(bool onDisk)
    {
        using AutoencoderKL vae = Trained();
        string folder = Directory.CreateTempSubdirectory("mural-test-").FullName;
        try
        {
            LiveTensors.AssertFlat(() =>
            {
                using var scope = NewDisposeScope();
                using var ending = new CancellationTokenSource();
                var options = new StripOptions { StripBytes = 4096, Folder = onDisk ? folder : null, Cancellation = ending.Token };
                int strips = 0;
                // Elsewhere than on Windows, files have no names even while they are used.
                void Take(long first, Tensor rows)
                {
                    if (!OperatingSystem.IsWindows()) Assert.Empty(Directory.GetFiles(folder));
                    if (++strips == 2) ending.Cancel();
                }
                Assert.Throws<OperationCanceledException>(() => vae.DecodeStrips(Latents(6, 5).narrow(0, 0, 1), Take, options));
                Assert.Empty(Directory.GetFiles(folder));
            });
            LiveTensors.AssertFlat(() =>
            {
                using var scope = NewDisposeScope();
                using var ending = new CancellationTokenSource();
                int strips = 0;
                Tensor Give(long first, long count)
                {
                    if (++strips == 4) ending.Cancel();
                    return zeros(1, 3, count, 20);
                }
                Assert.Throws<OperationCanceledException>(() => vae.EncodeStrips(
                    24, 20, Give, float32, CPU, new StripOptions { StripBytes = 4096, Folder = onDisk ? folder : null, Cancellation = ending.Token }));
                Assert.Empty(Directory.GetFiles(folder));
            });
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void FullDiskOrMissingFolderIsExplained()
    {
        using var scope = NewDisposeScope();
        using AutoencoderKL vae = Trained();
        string folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        AssertOneSentence(Assert.Throws<MuralException>(() => Decode(vae, Latents(6, 5).narrow(0, 0, 1), new StripOptions { Folder = folder })).Message);
    }

    // Keys of the middle of each step, of pictures whose every position would take hours, and as many as are promised.
    [Theory]
    [InlineData(64, 64, 1)]
    [InlineData(512, 512, 1)]
    [InlineData(513, 513, 2)]
    [InlineData(1000, 525, 2)]
    [InlineData(1024, 1024, 4)]
    [InlineData(1022, 1022, 3)]
    [InlineData(2048, 2048, 8)]
    [InlineData(1022, 1030, 3)]
    [InlineData(17, 16384, 2)]
    public void KeysOfHugePicturesAreThinnedOut(long height, long width, long step)
    {
        Assert.Equal(step, MidAttention.KeyStep(height, width));
        Assert.True(MidAttention.Keys(height, width, step) >= Math.Min(height * width, MidAttention.LeastKeys));
    }

    // Where two rows and columns are always alike, one of each says it all.
    [Theory]
    [InlineData(8, 6)]
    [InlineData(10, 14)]
    public void ThinnedKeysAttendAsAllOfThemDo(int height, int width)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var generator = new Generator(4);
        using var attention = new MidAttention(8, 2, new LayerFactory(float32, Initialize: true));
        Tensor small = randn([1, 8, height / 2, width / 2], generator: generator), map = nn.functional.upsample_nearest2d(small, [height, width]);
        foreach (long bytes in Strips)
        {
            using var runner = new StripRunner(float32, CPU, new StripOptions { StripBytes = bytes });
            WritableMap thinned = runner.Create(height, width, 8);
            thinned.Write(0, map);
            Assert.Equal(height * width / 4, MidAttention.Keys(height, width, 2));
            attention.Run(thinned, runner, step: 2);
            Assert.True(Distance(thinned.Rows(0, height), attention.forward(map)) < 1e-5);
        }
    }

    private static Tensor Decode(AutoencoderKL vae, Tensor latent, StripOptions options) => Joined(take => vae.DecodeStrips(latent, take, options));

    // Random weights of which every norm and every bias does something.
    private static AutoencoderKL Trained()
    {
        AutoencoderKL vae = KL();
        using var quiet = no_grad();
        using var generator = new Generator(3);
        foreach ((string name, TorchSharp.Modules.Parameter parameter) in vae.named_parameters())
            if (name.Contains("norm", StringComparison.Ordinal)) parameter.add_(randn(parameter.shape, generator: generator) * 0.2);
        return vae;
    }
}
