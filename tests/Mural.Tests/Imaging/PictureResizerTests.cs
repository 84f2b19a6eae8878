using System.Globalization;
using System.Text.Json.Nodes;
using Mural.Imaging;
using Mural.Tests.Goldens;

namespace Mural.Tests.Imaging;

public class PictureResizerTests
{
    public static TheoryData<string> Cases => GoldenCase.Names("image", golden => golden.Tensors.Keys.Any(IsResized));

    // out.<kind>[_box].<filter>.<W>x<H>[.pillow11]
    [Trait("Area", "image")]
    [GoldenTheory, MemberData(nameof(Cases))]
    public void ResizesLikePillow(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("image", name);
        double floatTolerance = golden.Json["tolerance"]!["max_abs"]!["float"]!.GetValue<double>();
        foreach (string output in golden.Tensors.Keys.Where(IsResized))
        {
            string[] parts = output.Split('.');
            string kind = parts[1].Replace("_box", "", StringComparison.Ordinal);
            ResizeBox? box = kind == parts[1] ? null : Box(golden.Config["box"]!);
            var filter = Enum.Parse<ResizeFilter>(parts[2], ignoreCase: true);
            int[] size = [.. parts[3].Split('x').Select(n => int.Parse(n, CultureInfo.InvariantCulture))];
            ResizeOrder order = parts.Contains("pillow11") ? ResizeOrder.HorizontalFirst : ResizeOrder.Pillow13;
            Tensor source = golden.Get("in." + kind), expected = golden.Get(output);
            if (source.dtype == uint8)
            {
                Picture resized = PictureResizer.Resize(GoldenPictures.Picture(source), size[0], size[1], filter, box, order);
                Assert.True(GoldenPictures.LargestDifference(expected, resized) == 0, output);
            }
            else
            {
                float[,] resized = FloatResizer.Resize(Plane(source), size[0], size[1], filter, box);
                double difference = (tensor(resized) - expected).abs().max().item<float>();
                Assert.True(difference <= floatTolerance, $"{output} differs by {difference}");
            }
        }
    }

    // Pillow adds its steps up: some middles that lie on a border fall to the pixel before.
    [Fact]
    public void NearestTakesThePixelsThatPillowTakes()
    {
        int[] indices = PictureResizer.NearestIndices(16, 0, 16, 24);
        Assert.Equal((2, 10, 12, 14), (indices[4], indices[16], indices[19], indices[22]));
    }

    [Theory, InlineData(1), InlineData(3), InlineData(4)]
    public void TheSameSizeIsACopy(int channels)
    {
        Picture picture = PictureWriterTests.Gradient(7, 5, channels);
        foreach (ResizeFilter filter in Enum.GetValues<ResizeFilter>())
        {
            Picture copy = PictureResizer.Resize(picture, 7, 5, filter);
            Assert.NotSame(picture.Data, copy.Data);
            Assert.Equal(picture.Data, copy.Data);
        }
    }

    [Fact]
    public void OneColourStaysThatColour()
    {
        Picture picture = Picture.Filled(13, 11, new Rgb(255, 1, 128));
        foreach (ResizeFilter filter in Enum.GetValues<ResizeFilter>())
            foreach ((int width, int height) in ((int, int)[])[(1, 1), (5, 40), (40, 5), (13, 3), (100, 100)])
                Assert.Equal(Picture.Filled(width, height, new Rgb(255, 1, 128)).Data, PictureResizer.Resize(picture, width, height, filter).Data);
    }

    [Fact]
    public void TransparentColourDoesNotBleed()
    {
        // Opaque white beside transparent red: no filter may tint the white.
        var picture = new Picture(2, 1, 4, [255, 255, 255, 255, 255, 0, 0, 0]);
        Picture wide = PictureResizer.Resize(picture, 8, 1, ResizeFilter.Bilinear);
        Assert.All(wide.Data.Chunk(4), pixel => Assert.True(pixel[3] == 0 || pixel[1] >= 250, string.Join(' ', pixel)));
    }

    [Theory]
    [InlineData(0, 4)]
    [InlineData(4, -1)]
    public void ImpossibleSizesAreRefused(int width, int height) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => PictureResizer.Resize(new Picture(2, 2, 1), width, height));

    [Fact]
    public void ABoxOutsideThePictureIsRefused()
    {
        foreach (ResizeBox box in (ResizeBox[])[new(-1, 0, 2, 2), new(0, 0, 3, 2), new(1.5f, 0, 1, 2), new(0, float.NaN, 1, 2)])
            Assert.Throws<ArgumentException>(() => PictureResizer.Resize(new Picture(2, 2, 1), 1, 1, box: box));
    }

    private static bool IsResized(string tensor) =>
        tensor.Split('.') is ["out", _, { } filter, { } size, ..] && char.IsAsciiLetter(filter[0])
            && Enum.TryParse<ResizeFilter>(filter, ignoreCase: true, out _) && size.Contains('x', StringComparison.Ordinal);

    private static ResizeBox Box(JsonNode box) => new((float)box[0]!, (float)box[1]!, (float)box[2]!, (float)box[3]!);

    private static float[,] Plane(Tensor tensor)
    {
        var plane = new float[tensor.shape[0], tensor.shape[1]];
        float[] values = tensor.contiguous().data<float>().ToArray();
        Buffer.BlockCopy(values, 0, plane, 0, values.Length * sizeof(float));
        return plane;
    }
}
