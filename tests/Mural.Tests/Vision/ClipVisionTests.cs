using Mural.Imaging;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.Tests.UNet;
using Mural.Vision;

namespace Mural.Tests.Vision;

public class ClipVisionTests
{
    // Where a case's encoder is named relative to its area.
    private static readonly string Area = Path.Combine(GoldenCase.Root, "adapters");

    public static TheoryData<string, KernelSet?, ScalarType> Cases => UNetGoldens.CasesInAllWays("adapters", IsCase);

    public static TheoryData<string> Pictures => GoldenCase.Names("adapters", golden => IsCase(golden) && golden.Has("in.image_u8") && golden.Has("out.resized_u8"));

    /// <summary>The encoder against transformers. A case is recognised by its pixels and embedding.</summary>
    [GoldenTheory, MemberData(nameof(Cases)), Trait("Area", "adapters")]
    public void EncoderMatchesTransformers(string name, KernelSet? kernels, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using GoldenCase golden = GoldenCase.Open("adapters", name);
        using ClipVisionEncoder encoder = Load(golden, type);
        if (kernels is { } chosen) encoder.PrepareForInference(chosen, type);
        Tensor pixels = golden.Get("in.pixel_values", type);
        UNetGoldens.Check(golden, "out.image_embeds", encoder.Embed(pixels), type);
        UNetGoldens.Check(golden, "out.penultimate", encoder.HiddenStates(pixels), type);
        if (golden.Has("mid.last_hidden_state")) UNetGoldens.Check(golden, "mid.last_hidden_state", encoder.HiddenStates(pixels, 0), type);
    }

    [GoldenTheory, MemberData(nameof(Pictures)), Trait("Area", "adapters")]
    public void PicturesArePreparedAsByPillow(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("adapters", name);
        using ClipVisionEncoder encoder = Load(golden, float32);
        Picture picture = ToPicture(golden.Get("in.image_u8").squeeze(0));
        Picture cropped = ClipPicture.Crop(picture, encoder.Config.ImageSize), expected = ToPicture(golden.Get("out.resized_u8"));
        Assert.Equal((expected.Width, expected.Height), (cropped.Width, cropped.Height));
        Assert.All(cropped.Data.Zip(expected.Data), pair => Assert.InRange(pair.First - pair.Second, -1, 1));
        Tensor difference = ClipPicture.Normalize(expected) - golden.Get("in.pixel_values");
        Assert.True(difference.abs().max().item<float>() < 1e-5);
        // One step of a byte is at most 1 / 255 / 0.26.
        Assert.True((ClipPicture.Prepare(picture, encoder.Config.ImageSize) - golden.Get("in.pixel_values")).abs().max().item<float>() < 0.0152);
    }

    [Fact]
    public void PicturesOfOtherShapesAreRefused()
    {
        using var scope = NewDisposeScope();
        using var encoder = ClipVisionEncoder.FromFolder(Path.Combine(Area, "files", "image_encoder"));
        Assert.Contains("56", Assert.Throws<MuralException>(() => encoder.Embed(zeros(1, 3, 28, 56))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, 500, 1)]
    [InlineData(500, 1, 3)]
    [InlineData(57, 56, 4)]
    public void AnyPictureBecomesASquare(int width, int height, int channels)
    {
        using Tensor pixels = ClipPicture.Prepare(new Picture(width, height, channels), 56);
        Assert.Equal([1L, 3L, 56L, 56L], pixels.shape);
    }

    [Fact]
    public void EncodingLeavesNoTensorsBehind()
    {
        using var noGradient = no_grad();
        using var encoder = ClipVisionEncoder.FromFolder(Path.Combine(Area, "files", "image_encoder"));
        encoder.PrepareForInference(KernelSet.Mural, float32);
        LiveTensors.AssertFlat(() =>
        {
            using Tensor pixels = ClipPicture.Prepare(new Picture(60, 70, 3), encoder.Config.ImageSize);
            using Tensor embedding = encoder.Embed(pixels), states = encoder.HiddenStates(pixels);
        });
    }

    private static bool IsCase(GoldenCase golden) => golden.Config["image_encoder"] is not null && golden.Has("in.pixel_values") && golden.Has("out.image_embeds");

    private static ClipVisionEncoder Load(GoldenCase golden, ScalarType type) =>
        ClipVisionEncoder.FromFolder(Path.Combine(Area, golden.Config["image_encoder"]!.GetValue<string>()), type);

    // [3, H, W]
    private static Picture ToPicture(Tensor planes)
    {
        using Tensor pixels = planes.permute(1, 2, 0).contiguous();
        return new Picture((int)planes.shape[2], (int)planes.shape[1], 3, pixels.data<byte>().ToArray());
    }
}
