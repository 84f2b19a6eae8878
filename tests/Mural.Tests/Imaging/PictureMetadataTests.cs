using System.Text;
using System.Text.Json.Nodes;
using Mural.Imaging;
using Mural.Tests.Goldens;

namespace Mural.Tests.Imaging;

public class PictureMetadataTests
{
    private const string Everything = "red heart 🦊, 日本の城\n(snow:1.2) — \"quoted\" \\ back\u2028separator\tJürgen\nlast";

    private static readonly PictureMetadata Metadata = PictureMetadata.Of(
        new GenerationParameters { Prompt = Everything, Steps = 20, Seed = 42, Width = 64, Height = 32 }, "{\"prompt\":\"❤ \\n\",\"n\":[1,2]}");

    private static byte[] Encode(PictureFormat format, PictureMetadata metadata, bool compress = false) =>
        PictureWriter.Encode(Picture.Filled(9, 7, Rgb.Black), format, new PictureWriteOptions { CompressTexts = compress }, metadata);

    [Theory]
    [InlineData(PictureFormat.Png, false)]
    [InlineData(PictureFormat.Png, true)]
    [InlineData(PictureFormat.Jpeg, false)]
    [InlineData(PictureFormat.WebP, false)]
    public void AnyLettersAndLinesComeBack(PictureFormat format, bool compress)
    {
        byte[] file = Encode(format, Metadata, compress);
        PictureInfo info = PictureReader.Identify("a", file);
        Assert.Equal((format, 9, 7), (info.Format, info.Width, info.Height));
        Assert.Equal(Metadata.Texts, info.Metadata.Texts);
        Assert.StartsWith(Everything, info.Metadata.Parameters, StringComparison.Ordinal);
        Assert.Equal(Metadata.MuralJson, info.Metadata.MuralJson);
        Assert.Equal((9, 7), (PictureReader.Decode("a", file).Width, PictureReader.Decode("a", file).Height));
    }

    [Theory]
    [InlineData(PictureFormat.Png)]
    [InlineData(PictureFormat.Jpeg)]
    [InlineData(PictureFormat.WebP)]
    public void EachTextStandsAlone(PictureFormat format)
    {
        Assert.Empty(PictureReader.Identify("a", Encode(format, PictureMetadata.Empty)).Metadata.Texts);
        Assert.Equal("a fox", PictureReader.Identify("a", Encode(format, PictureMetadata.Of(new GenerationParameters { Prompt = "a fox" }, null))).Metadata.Texts.Single().Text);
        Assert.Equal("{}", PictureReader.Identify("a", Encode(format, PictureMetadata.Of(null, "{}"))).Metadata.MuralJson);
    }

    [Fact]
    public void PngStoresPlainLatinTextWhereEveryProgramLooks()
    {
        byte[] file = Encode(PictureFormat.Png, new PictureMetadata { Texts = [new("parameters", "Jürgen\nx"), new("wide", "日")] });
        string[] types = [.. PngChunk.ReadAll(file).Select(chunk => chunk.Type)];
        Assert.Equal(["IHDR", "tEXt", "iTXt"], types[..3]);
        string[] packed = [.. PngChunk.ReadAll(Encode(PictureFormat.Png, new PictureMetadata { Texts = [new("a", "a"), new("b", "日")] }, compress: true))
            .Select(chunk => chunk.Type)];
        Assert.Equal(["IHDR", "zTXt", "iTXt"], packed[..3]);
    }

    [Fact]
    public void Utf8InATextChunkIsUnderstood()
    {
        using var file = new MemoryStream();
        byte[] png = Encode(PictureFormat.Png, PictureMetadata.Empty);
        int end = PngChunk.ReadAll(png)[0].End;
        file.Write(png.AsSpan(0, end));
        PngChunk.Write(file, "tEXt", [.. "parameters\0"u8, .. "日本 🦊"u8]);
        PngChunk.Write(file, "tEXt", "no separator"u8);
        PngChunk.Write(file, "zTXt", "broken\0\0stream"u8);
        PngChunk.Write(file, "iTXt", "short\0\0"u8);
        PngChunk.Write(file, "zTXt", "empty\0"u8);
        file.Write(png.AsSpan(end));
        PictureInfo info = PictureReader.Identify("a", file.ToArray());
        Assert.Equal([new PictureText("parameters", "日本 🦊")], info.Metadata.Texts);
        Assert.Equal(9, PictureReader.Decode("a", file.ToArray()).Width);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" leading")]
    [InlineData("two  spaces")]
    [InlineData("日")]
    [InlineData("line\nfeed")]
    [InlineData("12345678901234567890123456789012345678901234567890123456789012345678901234567890")]
    public void KeywordsThatPngForbidsAreRefused(string keyword) =>
        Assert.Throws<MuralException>(() => Encode(PictureFormat.Png, new PictureMetadata { Texts = [new(keyword, "x")] }));

    [Fact]
    public void TextsBeyondTheLimitAreRefusedButThePictureIsNot()
    {
        var limits = new ImageLimits { MaxTextBytes = 1000 };
        var bomb = new PictureMetadata { Texts = [new("bomb", new string('a', 5_000_000))] };
        byte[] file = Encode(PictureFormat.Png, bomb, compress: true);
        Assert.InRange(file.Length, 1, 20_000);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("limit", Assert.Throws<MuralException>(() => PictureReader.Identify("a", file, limits)).Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 500_000);
        Assert.Equal(9, PictureReader.Decode("a", file, limits).Width);
        Assert.Equal(bomb.Texts, PictureReader.Identify("a", file).Metadata.Texts);

        byte[] jpeg = Encode(PictureFormat.Jpeg, PictureMetadata.Of(null, new string('x', 2000)));
        Assert.Throws<MuralException>(() => PictureReader.Identify("a", jpeg, limits));
    }

    [Theory]
    [InlineData(PictureFormat.Jpeg)]
    [InlineData(PictureFormat.WebP)]
    public void TextsTooLargeForExifAreRefusedAndOthersComeBackWhole(PictureFormat format)
    {
        Assert.Contains("PNG", Assert.Throws<MuralException>(() => Encode(format, PictureMetadata.Of(null, new string('x', 65_500)))).Message, StringComparison.Ordinal);
        var largest = PictureMetadata.Of(null, new string('x', 64_900));
        Assert.Equal(largest.MuralJson, PictureReader.Identify("a", Encode(format, largest)).Metadata.MuralJson);
    }

    [Trait("Area", "image")]
    [GoldenTheory, MemberData(nameof(PngFileTests.GoodFiles), MemberType = typeof(PngFileTests))]
    public void GoodFilesHaveTheirTexts(string caseName, string file)
    {
        JsonNode entry = PngFileTests.Entry(caseName, file);
        PictureInfo info = PictureReader.Identify(Path.Combine(GoldenCase.Root, "image", entry["file"]!.GetValue<string>()));
        Assert.Equal((entry["width"]!.GetValue<int>(), entry["height"]!.GetValue<int>()), (info.Width, info.Height));
        if (entry["text"] is not JsonObject texts) return;
        // Pillow keeps the last of texts with one keyword.
        var found = info.Metadata.Texts.GroupBy(text => text.Keyword).ToDictionary(group => group.Key, group => group.Last().Text);
        Assert.Equal(texts.ToDictionary(text => text.Key, text => text.Value!.GetValue<string>()), found);
    }

    [Theory]
    [InlineData("UNICODE\0", true, true)]
    [InlineData("UNICODE\0", false, false)]
    [InlineData("UNICODE\0", true, false)]
    [InlineData("UNICODE\0", false, true)]
    public void EveryByteOrderOfUserCommentIsUnderstood(string prefix, bool blockIsBig, bool textIsBig)
    {
        byte[] text = (textIsBig ? Encoding.BigEndianUnicode : Encoding.Unicode).GetBytes("a fox, 日");
        byte[] block = Block([.. Encoding.ASCII.GetBytes(prefix), .. text], blockIsBig);
        Assert.Equal("a fox, 日", ExifText.Read(block).Single().Text);
    }

    [Theory]
    [InlineData("ASCII\0\0\0plain", "plain")]
    [InlineData("\0\0\0\0\0\0\0\0unnamed", "unnamed")]
    [InlineData("without a prefix", "without a prefix")]
    public void OtherUserCommentsAreUnderstood(string comment, string expected) =>
        Assert.Equal(expected, ExifText.Read(Block(Encoding.UTF8.GetBytes(comment), true)).Single().Text);

    [Fact]
    public void BrokenExifBlocksGiveNoTextAndNoException()
    {
        byte[] good = ExifText.Build(Metadata)!;
        var random = new Random(1);
        for (int round = 0; round < 20_000; round++)
        {
            byte[] broken = good[..random.Next(good.Length + 1)];
            for (int change = random.Next(4); change > 0 && broken.Length > 0; change--) broken[random.Next(Math.Min(broken.Length, 80))] = (byte)random.Next(256);
            Assert.InRange(ExifText.Read(broken).Count, 0, 2);
        }
    }

    // One directory with UserComment in it, in either byte order.
    private static byte[] Block(byte[] comment, bool bigEndian)
    {
        byte[] block = TiffEntry.Write([], 0x8769, [new TiffEntry(0x9286, TiffEntry.Undefined, comment)]);
        if (bigEndian) return block;
        block[0] = block[1] = (byte)'I';
        foreach ((int at, int size) in ((int, int)[])[(2, 2), (4, 4), (8, 2), (10, 2), (12, 2), (14, 4), (18, 4), (26, 2), (28, 2), (30, 2), (32, 4), (36, 4)])
            Array.Reverse(block, at, size);
        return block;
    }
}
