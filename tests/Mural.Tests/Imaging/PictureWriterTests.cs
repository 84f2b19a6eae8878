using Mural.Imaging;

namespace Mural.Tests.Imaging;

public class PictureWriterTests
{
    internal static Picture Gradient(int width, int height, int channels)
    {
        var picture = new Picture(width, height, channels);
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                for (int c = 0; c < channels; c++)
                    picture.Row(y)[x * channels + c] = (byte)(c == 3 ? 255 - 2 * y : 40 * c + 2 * x + y);
        return picture;
    }

    [Theory]
    [InlineData(1, "a.png")]
    [InlineData(3, "a.PNG")]
    [InlineData(4, "a.png")]
    [InlineData(3, "a.webp")]
    [InlineData(4, "new folder/a.webp")]
    public void LosslessFormatsKeepEveryPixel(int channels, string name)
    {
        using var folder = new TemporaryFolder();
        Picture picture = Gradient(37, 29, channels);
        PictureWriter.Write(folder.At(name), picture, new PictureWriteOptions { Lossless = true });
        Picture back = PictureReader.Read(folder.At(name));
        Assert.Equal((37, 29, channels), (back.Width, back.Height, back.Channels));
        Assert.Equal(picture.Data, back.Data);
        Assert.Equal([name], folder.Names);
    }

    [Theory]
    [InlineData(1, "a.jpg")]
    [InlineData(3, "a.jpeg")]
    [InlineData(3, "a.webp")]
    public void LossyFormatsStayClose(int channels, string name)
    {
        using var folder = new TemporaryFolder();
        Picture picture = Gradient(40, 32, channels);
        PictureWriter.Write(folder.At(name), picture);
        Picture back = PictureReader.Read(folder.At(name)), same = channels == 1 ? back.ToGrey() : back;
        Assert.InRange(picture.Data.Zip(same.Data, (a, b) => Math.Abs(a - b)).Average(), 0, 3);

        long best = new FileInfo(folder.At(name)).Length;
        PictureWriter.Write(folder.At(name), picture, new PictureWriteOptions { Quality = 10 });
        Assert.InRange(new FileInfo(folder.At(name)).Length, 1, best - 1);
    }

    [Fact]
    public void JpegShowsTheBackgroundThroughTransparency()
    {
        byte[] file = PictureWriter.Encode(new Picture(16, 16, 4), PictureFormat.Jpeg, new PictureWriteOptions { Background = new Rgb(200, 100, 50) });
        Picture back = PictureReader.Decode("a.jpg", file);
        Assert.InRange((int)back.Data[0], 196, 204);
        Assert.InRange((int)back.Data[2], 46, 54);
    }

    [Theory]
    [InlineData("a.bmp", 95, 6, "end the name")]
    [InlineData("a", 95, 6, "no extension")]
    [InlineData("a.jpg", 0, 6, "quality")]
    [InlineData("a.png", 95, 10, "compression")]
    public void WhatCannotBeWrittenIsRefused(string name, int quality, int compression, string part)
    {
        using var folder = new TemporaryFolder();
        var options = new PictureWriteOptions { Quality = quality, Compression = compression };
        MuralException exception = Assert.Throws<MuralException>(() => PictureWriter.Write(folder.At(name), Gradient(4, 4, 3), options));
        Assert.Contains(part, exception.Message, StringComparison.Ordinal);
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void TooLargeForTheFormatIsRefused()
    {
        Assert.Contains("PNG", Assert.Throws<MuralException>(() => PictureWriter.Encode(new Picture(16_384, 1, 1), PictureFormat.WebP)).Message, StringComparison.Ordinal);
        Assert.Contains("PNG", Assert.Throws<MuralException>(() => PictureWriter.Encode(new Picture(65_536, 1, 1), PictureFormat.Jpeg)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnExistingFileIsReplacedWholeAndAFailureLeavesNothing()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("a.png", [1, 2, 3]);
        PictureWriter.Write(path, Gradient(5, 5, 3));
        Assert.Equal(5, PictureReader.Read(path).Width);
        Assert.Equal(["a.png"], folder.Names);

        // A folder stands where the file should go: the rename fails after the bytes are written.
        Directory.CreateDirectory(folder.At("b.png"));
        Assert.Throws<MuralException>(() => PictureWriter.Write(folder.At("b.png"), Gradient(5, 5, 3)));
        // A file stands where the folder should be.
        Assert.Throws<MuralException>(() => PictureWriter.Write(Path.Combine(path, "c.png"), Gradient(5, 5, 3)));
        Assert.Equal(["a.png"], folder.Names);
    }

    [Fact]
    public void AFullDiskLeavesTheOldFileAndNothingElse()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The size of files is limited by a call of Linux.");
        const int Side = 1200, Limit = 4 << 20;
        using var folder = new TemporaryFolder();
        string path = folder.At("a.png");
        PictureWriter.Write(path, Gradient(5, 5, 3));
        var plain = new PictureWriteOptions { Compression = 0 };
        using (new FileSizeLimit(Limit))
        {
            MuralException exception = Assert.Throws<MuralException>(() => PictureWriter.Write(path, new Picture(Side, Side, 3), plain));
            Assert.Contains(path, exception.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', exception.Message);
        }
        Assert.Equal(5, PictureReader.Read(path).Width);
        Assert.Equal(["a.png"], folder.Names);

        PictureWriter.Write(path, new Picture(Side, Side, 3), plain);
        Assert.InRange(new FileInfo(path).Length, Limit, long.MaxValue);
    }

    [Fact]
    public void WhoeverReadsWhileOthersWriteSeesAWholeFile()
    {
        using var folder = new TemporaryFolder();
        string path = folder.At("a.png");
        PictureWriter.Write(path, Picture.Filled(1, 8, Rgb.White));
        Parallel.For(0, 40, i =>
        {
            if (i % 2 == 0) PictureWriter.Write(path, Picture.Filled(1 + i, 8, Rgb.White));
            else Assert.Equal(8, PictureReader.Read(path).Height);
        });
        Assert.Equal(["a.png"], folder.Names);
    }
}
