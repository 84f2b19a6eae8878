using Mural.Imaging;

namespace Mural.Tests.Imaging;

public class SampleGridTests
{
    [Theory]
    [InlineData(1, 0, 0, 10, 8)]
    [InlineData(5, 0, 2, 3 * 12 + 2, 2 * 10 + 2)]
    [InlineData(5, 5, 2, 5 * 12 + 2, 10 + 2)]
    [InlineData(3, 8, 1, 3 * 11 + 1, 9 + 1)]
    public void SheetHasRoomForEveryPicture(int count, int columns, int margin, int width, int height)
    {
        Picture[] pictures = [.. Enumerable.Range(0, count).Select(i => Picture.Filled(10, 8, new Rgb((byte)(i + 1), 0, 0)))];
        Picture sheet = new SampleGrid { Columns = columns, Margin = margin }.Tile(pictures);
        Assert.Equal((width, height, 3), (sheet.Width, sheet.Height, sheet.Channels));
        int perRow = columns == 0 ? (int)Math.Ceiling(Math.Sqrt(count)) : Math.Min(columns, count);
        for (int i = 0; i < count; i++)
        {
            Picture cell = sheet.Crop(margin + i % perRow * (10 + margin), margin + i / perRow * (8 + margin), 10, 8);
            Assert.Equal(pictures[i].Data, cell.Data);
        }
        int painted = sheet.Data.Chunk(3).Count(pixel => pixel is not [255, 255, 255]);
        Assert.Equal(count * 80, painted);
    }

    [Fact]
    public void SmallerPicturesAreCentredAndTransparencyShowsTheBackground()
    {
        Picture sheet = new SampleGrid { Margin = 0, Columns = 2, Background = new Rgb(9, 8, 7) }.Tile([Picture.Filled(4, 4, Rgb.Black), new Picture(2, 2, 4)]);
        Assert.Equal((8, 4), (sheet.Width, sheet.Height));
        Assert.All(sheet.Crop(4, 0, 4, 4).Data.Chunk(3), pixel => Assert.Equal<byte[]>([9, 8, 7], pixel));
    }

    [Fact]
    public void LabelsAreDrawnBelowTheirPicture()
    {
        Picture[] pictures = [Picture.Filled(64, 16, new Rgb(1, 1, 1)), Picture.Filled(64, 16, new Rgb(1, 1, 1))];
        Picture sheet = new SampleGrid { Margin = 0, Columns = 1, Ink = new Rgb(255, 0, 0) }.Tile(pictures, ["", "red heart"]);
        Assert.Equal(2 * (16 + BitmapFont.LineHeight), sheet.Height);
        int Ink(int top) => sheet.Crop(0, top, 64, BitmapFont.LineHeight).Data.Chunk(3).Count(pixel => pixel is [255, 0, 0]);
        Assert.Equal(0, Ink(16));
        Assert.InRange(Ink(16 + BitmapFont.LineHeight + 16), 60, 200);
    }

    [Theory]
    [InlineData("abc", 100, 1, "abc")]
    [InlineData("a long label", 59, 1, "a long ...")]
    [InlineData("a long label", 59, 2, "a ...")]
    [InlineData("two\nlines", 100, 1, "two lines")]
    [InlineData("abcdefgh", 17, 1, "...")]
    [InlineData("abcdefgh", 16, 1, "")]
    public void LabelsAreCutToTheirCell(string text, int width, int scale, string expected)
    {
        string line = BitmapFont.Fit(text, width, scale);
        Assert.Equal(expected, line);
        Assert.True(BitmapFont.Width(line, scale) <= width);
    }

    [Fact]
    public void CharactersWithoutAGlyphAreBoxes()
    {
        Picture drawn = Picture.Filled(5, 8, Rgb.White);
        BitmapFont.Draw(drawn, "\u732b", 0, 0, 1, Rgb.Black);
        Assert.Equal(20, drawn.Data.Chunk(3).Count(pixel => pixel is [0, 0, 0]));
    }
}
