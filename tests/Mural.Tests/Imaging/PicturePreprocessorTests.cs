using Mural.Imaging;
using Mural.Tests.Goldens;

namespace Mural.Tests.Imaging;

public class PicturePreprocessorTests
{
    private const string FromTensor = "out.tensor_input_given_size";

    public static TheoryData<string> Cases => GoldenCase.Names("image", golden =>
        new[] { "out.default_size", "out.given_size", "out.resize_fill", "out.resize_crop", FromTensor }.Any(golden.Has));

    [Trait("Area", "image")]
    [GoldenTheory, MemberData(nameof(Cases))]
    public void PreparesLikeTheOfficialProcessor(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("image", name);
        Picture picture = GoldenPictures.Picture(golden.Get("in.picture"));
        int factor = golden.Config["vae_scale_factor"]?.GetValue<int>() ?? 8;
        if (golden.Has("out.default_size")) golden.AssertMatches("out.default_size", PicturePreprocessor.Prepare(picture, factor: factor));
        if (golden.Config["width"] is null) return;
        var size = (golden.Config["width"]!.GetValue<int>(), golden.Config["height"]!.GetValue<int>());
        foreach ((string output, PictureFit fit) in
            ((string, PictureFit)[])[("out.given_size", PictureFit.Stretch), ("out.resize_fill", PictureFit.Fill), ("out.resize_crop", PictureFit.Crop)])
            if (golden.Has(output)) golden.AssertMatches(output, PicturePreprocessor.Prepare(picture, size, fit, factor));
        if (!golden.Has(FromTensor)) return;
        Tensor samples = golden.Get("in.picture"), unit = samples.reshape(samples.shape[0], samples.shape[1], -1).permute(2, 0, 1).unsqueeze(0).to(float32) / 255;
        golden.AssertMatches(FromTensor, PicturePreprocessor.Prepare(unit, size, factor));
    }

    [Fact]
    public void EveryProportionFitsEverySize()
    {
        foreach (PictureFit fit in Enum.GetValues<PictureFit>())
            foreach ((int sourceWidth, int sourceHeight) in ((int, int)[])[(1, 1), (3, 50), (50, 3), (16, 16), (31, 33)])
                for (int width = 1; width < 20; width += 3)
                    for (int height = 1; height < 20; height++)
                    {
                        Picture result = PicturePreprocessor.Resize(Picture.Filled(sourceWidth, sourceHeight, new Rgb(10, 200, 30)), width, height, fit);
                        Assert.Equal(Picture.Filled(width, height, new Rgb(10, 200, 30)).Data, result.Data);
                    }
    }

    [Theory, InlineData(PictureFit.Fill), InlineData(PictureFit.Crop)]
    public void ColoursArePastedWithoutTheirAlpha(PictureFit fit)
    {
        using var scope = NewDisposeScope();
        var picture = new Picture(16, 8, 4, [.. Enumerable.Repeat<byte[]>([255, 0, 255, 128], 16 * 8).SelectMany(pixel => pixel)]);
        Tensor pixels = PicturePreprocessor.Prepare(picture, (16, 16), fit);
        Assert.Equal([1L, 3L, 16L, 16L], pixels.shape);
        Assert.True((pixels == tensor(new[] { 1f, -1f, 1f }).reshape(1, 3, 1, 1)).all().item<bool>());
    }

    [Fact]
    public void SizesAreRoundedDown()
    {
        Assert.Equal((32, 24), PicturePreprocessor.RoundDown(37, 29, 8));
        Assert.Contains("too small", Assert.Throws<MuralException>(() => PicturePreprocessor.RoundDown(7, 100, 8)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NoTensorStaysBehind()
    {
        Picture picture = Picture.Filled(16, 16, Rgb.White);
        LiveTensors.AssertFlat(() =>
        {
            using Tensor first = PicturePreprocessor.Prepare(picture), second = PicturePreprocessor.Prepare(first, (8, 8)), mask = InpaintMask.Prepare(picture);
            using Tensor latent = InpaintMask.ToLatent(mask), hidden = InpaintMask.Hide(first, mask), again = InpaintMask.Prepare(mask);
        });
    }
}
