using Mural.Imaging;
using Mural.Tests.Goldens;

namespace Mural.Tests.Imaging;

[Trait("Area", "image")]
public class PictureTensorsTests
{
    public static TheoryData<string> Cases => GoldenCase.Names("image", golden => golden.Has("out.bytes") || golden.Has("out.unit") || golden.Has("out.network_input"));

    [GoldenTheory, MemberData(nameof(Cases))]
    public void ConvertsLikeTheOfficialProcessor(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("image", name);
        if (golden.Has("out.unit")) golden.AssertMatches("out.unit", PictureTensors.ToUnit(golden.Get("in.x")));
        if (golden.Has("out.bytes"))
        {
            Tensor bytes = golden.Get("out.bytes");
            Picture[] pictures = PictureTensors.ToPictures(golden.Get("in.x"));
            Assert.Equal(bytes.shape[0], pictures.Length);
            for (int i = 0; i < pictures.Length; i++) GoldenPictures.AssertEqual(bytes[i], pictures[i]);
        }
        if (golden.Has("out.network_input")) golden.AssertMatches("out.network_input", PictureTensors.FromPicture(GoldenPictures.Picture(golden.Get("in.picture"))));
        if (golden.Has("out.network_input_from_grey"))
            golden.AssertMatches("out.network_input_from_grey", PictureTensors.FromPicture(GoldenPictures.Picture(golden.Get("in.grey_picture"))));
    }

    [Theory, InlineData(1), InlineData(3), InlineData(4)]
    public void EveryByteComesBack(int channels)
    {
        using var scope = NewDisposeScope();
        var picture = new Picture(256, 2, channels, [.. Enumerable.Range(0, 512 * channels).Select(i => (byte)i)]);
        Picture back = PictureTensors.ToPictures(PictureTensors.FromPicture(picture)).Single();
        Assert.Equal(picture.Data, back.Data);
    }

    [Fact]
    public void NumbersWithoutAByteBecomeBlackOrTheNearestEnd()
    {
        using Tensor values = tensor(new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity, 5, -5, 0 }).reshape(1, 1, 1, 6);
        Assert.Equal<byte[]>([0, 255, 0, 255, 0, 128], PictureTensors.ToPictures(values).Single().Data);
    }

    [Fact]
    public void HalfTypesAndGradientsAreAccepted()
    {
        using Tensor values = ones(2, 3, 4, 5, dtype: bfloat16, requires_grad: true);
        Assert.All(PictureTensors.ToPictures(values), picture => Assert.All(picture.Data, sample => Assert.Equal(255, sample)));
    }

    [Fact]
    public void AnotherShapeIsRefused()
    {
        using Tensor values = zeros(3, 4, 5);
        Assert.Throws<ArgumentException>(() => PictureTensors.ToPictures(values));
    }

    [Fact]
    public void NoTensorStaysBehind()
    {
        Picture picture = Picture.Filled(8, 8, Rgb.Black);
        LiveTensors.AssertFlat(() =>
        {
            using Tensor batch = PictureTensors.FromPictures([picture, picture]);
            PictureTensors.ToPictures(batch);
        });
    }
}
