using System.IO.Pipes;
using Mural.Imaging;
using NetVips;

namespace Mural.Tests.Imaging;

public class PictureReaderTests
{
    private static Image Vips(Picture picture) =>
        Image.NewFromMemoryCopy(picture.Data.AsSpan(), picture.Width, picture.Height, picture.Channels, Enums.BandFormat.Uchar).Copy(interpretation: Enums.Interpretation.Srgb);

    [Theory]
    [InlineData(PictureFormat.Png)]
    [InlineData(PictureFormat.Jpeg)]
    [InlineData(PictureFormat.WebP)]
    public void OrientationIsApplied(PictureFormat format)
    {
        // Left half black, right half white, marked as "turn clockwise to see": the black half comes to the top.
        Picture stored = Picture.Filled(32, 16, Rgb.White);
        stored.Paste(Picture.Filled(16, 16, Rgb.Black), 0, 0);
        using Image image = Vips(stored).Mutate(mutable => mutable.Set(GValue.GIntType, "orientation", 6));
        byte[] file = format switch
        {
            PictureFormat.Png => image.PngsaveBuffer(),
            PictureFormat.Jpeg => image.JpegsaveBuffer(),
            _ => image.WebpsaveBuffer(lossless: true),
        };
        Picture picture = PictureReader.Decode("a", file);
        Assert.Equal((16, 32), (picture.Width, picture.Height));
        Assert.InRange(picture.Row(4).ToArray().Max(), 0, 10);
        Assert.InRange(picture.Row(28).ToArray().Min(), 245, 255);
    }

    [Fact]
    public void EveryOrientationIsUndone()
    {
        const int Width = 5, Height = 3;
        Picture stored = PictureWriterTests.Gradient(Width, Height, 3);
        // Where the pixel (x, y) of the upright picture lies in the stored one (EXIF 2.3, tag 274).
        Func<int, int, (int X, int Y)>[] places =
        [
            (x, y) => (x, y), (x, y) => (Width - 1 - x, y), (x, y) => (Width - 1 - x, Height - 1 - y), (x, y) => (x, Height - 1 - y),
            (x, y) => (y, x), (x, y) => (y, Height - 1 - x), (x, y) => (Width - 1 - y, Height - 1 - x), (x, y) => (Width - 1 - y, x),
        ];
        for (int orientation = 1; orientation <= places.Length; orientation++)
        {
            using Image image = Vips(stored).Mutate(mutable => mutable.Set(GValue.GIntType, "orientation", orientation));
            Picture upright = PictureReader.Decode("a", image.WebpsaveBuffer(lossless: true));
            Assert.Equal(orientation < 5 ? (Width, Height) : (Height, Width), (upright.Width, upright.Height));
            for (int y = 0; y < upright.Height; y++)
                for (int x = 0; x < upright.Width; x++)
                {
                    (int fromX, int fromY) = places[orientation - 1](x, y);
                    Assert.Equal(stored.Row(fromY).Slice(3 * fromX, 3), upright.Row(y).Slice(3 * x, 3));
                }
        }
    }

    [Theory]
    [InlineData("a.png", PictureFormat.Jpeg)]
    [InlineData("a.jpg", PictureFormat.WebP)]
    [InlineData("a.webp", PictureFormat.Png)]
    [InlineData("a", PictureFormat.Png)]
    public void TheContentDecidesAndNotTheExtension(string name, PictureFormat format)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write(name, PictureWriter.Encode(new Picture(6, 4, 3), format));
        Assert.Equal(format, PictureReader.Identify(path).Format);
        Assert.Equal((6, 4), (PictureReader.Read(path).Width, PictureReader.Read(path).Height));
    }

    [Fact]
    public void AnAnimationShowsItsFirstPicture()
    {
        using Image first = Vips(Picture.Filled(8, 6, new Rgb(10, 20, 30))), second = Vips(Picture.Filled(8, 6, Rgb.White)), strip = first.Join(second, Enums.Direction.Vertical);
        using Image animation = strip.Mutate(mutable => mutable.Set(GValue.GIntType, "page-height", 6));
        byte[] file = animation.WebpsaveBuffer(lossless: true);
        Assert.Equal((8, 6), (PictureReader.Identify("a", file).Width, PictureReader.Identify("a", file).Height));
        Assert.Equal(Picture.Filled(8, 6, new Rgb(10, 20, 30)).Data, PictureReader.Decode("a", file).ToRgb().Data);
    }

    [Fact]
    public void ProfilesAreConvertedToSrgbAndSrgbIsLeftAlone()
    {
        Picture picture = PictureWriterTests.Gradient(16, 16, 3);
        using Image wide = Vips(picture).IccTransform("p3", inputProfile: "srgb", depth: 8);
        byte[] file = wide.PngsaveBuffer(keep: Enums.ForeignKeep.Icc);
        Picture back = PictureReader.Decode("a", file);
        Assert.InRange(picture.Data.Zip(back.Data, (a, b) => Math.Abs(a - b)).Max(), 0, 3);
        Assert.NotEqual(picture.Data, wide.WriteToMemory<byte>());

        using Image same = Vips(picture).IccTransform("srgb", inputProfile: "srgb", depth: 8);
        byte[] samples = same.WriteToMemory<byte>();
        Assert.Equal(samples, PictureReader.Decode("a", same.PngsaveBuffer(keep: Enums.ForeignKeep.Icc)).Data);
    }

    [Fact]
    public void SixteenBitsWithProfileAndAlphaBecomeEight()
    {
        Picture picture = PictureWriterTests.Gradient(16, 16, 4);
        using Image wide = Vips(picture).IccTransform("p3", inputProfile: "srgb", depth: 16);
        Assert.Equal(Enums.BandFormat.Ushort, wide.Format);
        Picture back = PictureReader.Decode("a", wide.PngsaveBuffer(keep: Enums.ForeignKeep.Icc));
        Assert.Equal(4, back.Channels);
        Assert.InRange(picture.Data.Zip(back.Data, (a, b) => Math.Abs(a - b)).Max(), 0, 3);
    }

    [Fact]
    public void ABrokenProfileIsIgnored()
    {
        Picture picture = PictureWriterTests.Gradient(16, 16, 3);
        using Image image = Vips(picture).Mutate(mutable => mutable.Set(GValue.BlobType, "icc-profile-data", new byte[200]));
        Assert.Equal(picture.Data, PictureReader.Decode("a", image.WebpsaveBuffer(lossless: true)).Data);
    }

    [Fact]
    public void InksBecomeColours()
    {
        using Image inks = Vips(Picture.Filled(16, 16, new Rgb(200, 40, 40))).IccTransform("cmyk", inputProfile: "srgb", depth: 8);
        Picture picture = PictureReader.Decode("a", inks.JpegsaveBuffer(q: 100, keep: Enums.ForeignKeep.None));
        Assert.Equal(3, picture.Channels);
        Assert.InRange(picture.Data[0], 180, 220);
        Assert.InRange(picture.Data[1], 20, 70);
    }

    [Theory]
    [InlineData(PictureFormat.Png)]
    [InlineData(PictureFormat.Jpeg)]
    [InlineData(PictureFormat.WebP)]
    public void LimitsAreCheckedBeforeDecoding(PictureFormat format)
    {
        byte[] file = PictureWriter.Encode(new Picture(3000, 2000, 3), format);
        foreach (ImageLimits limits in (ImageLimits[])[new() { MaxPixels = 5_999_999 }, new() { MaxSide = 2999 }])
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            MuralException exception = Assert.Throws<MuralException>(() => PictureReader.Decode("big", file, limits));
            Assert.Contains("3000x2000", exception.Message, StringComparison.Ordinal);
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        }
        Assert.Equal(3000, PictureReader.Decode("big", file, new ImageLimits { MaxPixels = 6_000_000, MaxSide = 3000 }).Width);
    }

    [Fact]
    public void LargeFilesAreNotRead()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("a.png", new byte[1001]);
        Assert.Contains("1001 bytes", Assert.Throws<MuralException>(() => PictureReader.Read(path, new ImageLimits { MaxFileBytes = 1000 })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatHasNoLengthIsReadUpToTheLimit()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Paths of pipes and endless devices are Linux's.");
        Assert.Contains("is not a PNG", Assert.Throws<MuralException>(() => PictureReader.Read("/dev/zero")).Message, StringComparison.Ordinal);
        byte[] file = PictureWriter.Encode(PictureWriterTests.Gradient(200, 150, 3), PictureFormat.Png, new PictureWriteOptions { Compression = 0 });
        Assert.Equal(200, Piped(new ImageLimits { MaxFileBytes = file.Length }).Width);
        Assert.Contains("more than", Assert.Throws<MuralException>(() => Piped(new ImageLimits { MaxFileBytes = file.Length - 1 })).Message, StringComparison.Ordinal);

        Picture Piped(ImageLimits limits)
        {
            using var pipe = new AnonymousPipeServerStream(PipeDirection.Out);
            using var reading = new AnonymousPipeClientStream(PipeDirection.In, pipe.ClientSafePipeHandle);
            Task writing = Task.Run(() =>
            {
                pipe.Write(file);
                pipe.Dispose();
            });
            Picture picture = PictureReader.Read($"/proc/self/fd/{reading.SafePipeHandle.DangerousGetHandle()}", limits);
            writing.GetAwaiter().GetResult();
            return picture;
        }
    }

    [Fact]
    public void MissingFilesAndFoldersAreNamed()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("There is no file", Assert.Throws<MuralException>(() => PictureReader.Read(folder.At("none.png"))).Message, StringComparison.Ordinal);
        Assert.Contains("is a folder", Assert.Throws<MuralException>(() => PictureReader.Read(folder.At("."))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("GIF89a, a format that is not read")]
    [InlineData("<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>")]
    public void OtherFilesAreRefused(string content)
    {
        MuralException exception = Assert.Throws<MuralException>(() => PictureReader.Decode("a.png", System.Text.Encoding.UTF8.GetBytes(content)));
        Assert.Contains("PNG, JPEG or WebP", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(PictureFormat.Png)]
    [InlineData(PictureFormat.Jpeg)]
    [InlineData(PictureFormat.WebP)]
    public void TruncatedFilesAreRefused(PictureFormat format)
    {
        byte[] file = PictureWriter.Encode(PictureWriterTests.Gradient(64, 48, 3), format, metadata: PictureMetadata.Of(null, "{}"));
        for (int length = 12; length < file.Length * 9 / 10; length += Math.Max(1, file.Length / 40))
        {
            MuralException exception = Assert.Throws<MuralException>(() => PictureReader.Decode("cut", file[..length]));
            Assert.Contains("cut", exception.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', exception.Message);
        }
    }

    [Theory]
    [InlineData(PictureFormat.Png)]
    [InlineData(PictureFormat.Jpeg)]
    [InlineData(PictureFormat.WebP)]
    public void DamageNeverGivesAnythingButAPictureOrASentence(PictureFormat format)
    {
        byte[] file = PictureWriter.Encode(PictureWriterTests.Gradient(24, 20, 3), format, metadata: PictureMetadata.Of(new GenerationParameters { Prompt = "日" }, "{}"));
        var random = new Random((int)format);
        var limits = new ImageLimits { MaxPixels = 1 << 20, MaxTextBytes = 1 << 16 };
        for (int round = 0; round < 400; round++)
        {
            byte[] damaged = [.. file];
            for (int change = random.Next(1, 6); change > 0; change--) damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            foreach (Action read in (Action[])[() => PictureReader.Decode("a", damaged, limits), () => PictureReader.Identify("a", damaged, limits)])
            {
                Exception? exception = Record.Exception(read);
                Assert.True(exception is null or MuralException, exception?.ToString());
            }
        }
    }
}
