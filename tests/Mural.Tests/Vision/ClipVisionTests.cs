using Mural.Imaging;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.Tests.UNet;
using Mural.Vision;

namespace Mural.Tests.Vision;

public class ClipVisionTests
{
    public static TheoryData<string, KernelSet?, ScalarType> Cases => UNetGoldens.CasesInAllWays("adapters", IsCase);

    public static TheoryData<string> Pictures => GoldenCase.Names("adapters", golden => IsCase(golden) && golden.Has("in.image_u8") && golden.Has("out.resized_u8"));

    /// <summary>The encoder against transformers. A case is recognised by its pixels and embedding.</summary>
    [GoldenTheory, MemberData(nameof(Cases)), Trait("Area", "adapters")]
    public void EncoderMatchesTransformers(string name, KernelSet? kernels, ScalarType type)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("adapters", name);
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
        int side = encoder.Config.ImageSize;
        AssertOwnSettings(golden, side);
        Tensor all = golden.Get("in.image_u8"), resized = golden.Get("out.resized_u8"), pixels = golden.Get("in.pixel_values");
        // One picture may stand without a batch.
        if (all.dim() == 3) all = all.unsqueeze(0);
        if (resized.dim() == 3) resized = resized.unsqueeze(0);
        Assert.Equal((all.shape[0], all.shape[0]), (resized.shape[0], pixels.shape[0]));
        for (int i = 0; i < all.shape[0]; i++)
        {
            Picture picture = ToPicture(all[i]), cropped = ClipPicture.Crop(picture, side), expected = ToPicture(resized[i]);
            Assert.Equal((expected.Width, expected.Height), (cropped.Width, cropped.Height));
            Assert.All(cropped.Data.Zip(expected.Data), pair => Assert.InRange(pair.First - pair.Second, -1, 1));
            Assert.True((ClipPicture.Normalize(expected)[0] - pixels[i]).abs().max().item<float>() < 1e-5);
            // One step of a byte is at most 1 / 255 / 0.26.
            Assert.True((ClipPicture.Prepare(picture, side)[0] - pixels[i]).abs().max().item<float>() < 0.0152);
        }
    }

    [Fact]
    public void PicturesOfOtherShapesAreRefused()
    {
        using var scope = NewDisposeScope();
        using var encoder = ClipVisionEncoder.FromFolder(GoldenCase.Adapter("image_encoder"));
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
        using var encoder = ClipVisionEncoder.FromFolder(GoldenCase.Adapter("image_encoder"));
        encoder.PrepareForInference(KernelSet.Mural, float32);
        LiveTensors.AssertFlat(() =>
        {
            using Tensor pixels = ClipPicture.Prepare(new Picture(60, 70, 3), encoder.Config.ImageSize);
            using Tensor embedding = encoder.Embed(pixels), states = encoder.HiddenStates(pixels);
        });
    }

    private static bool IsCase(GoldenCase golden) => golden.Config["image_encoder"] is not null && golden.Has("in.pixel_values") && golden.Has("out.image_embeds");

    private static ClipVisionEncoder Load(GoldenCase golden, ScalarType type) =>
        ClipVisionEncoder.FromFolder(GoldenCase.At("adapters", golden.Config["image_encoder"]!.GetValue<string>()), type);

    // The one way of preparing pictures that there is: to the encoder's own side, by Pillow's bicubic.
    private static void AssertOwnSettings(GoldenCase golden, int side)
    {
        foreach (string setting in (string[])["shortest_edge", "crop"])
            Assert.True(
                (golden.Config[setting]?.ToString() ?? $"{side}") == $"{side}",
                $"{golden.Name}: {setting} is {golden.Config[setting]}, where only the encoder's side of {side} is supported");
        string resample = golden.Config["resample"]?.ToString() ?? "PIL bicubic";
        Assert.True(resample.StartsWith("PIL bicubic", StringComparison.Ordinal), $"{golden.Name}: resample is {resample}, where only PIL bicubic is supported");
    }

    // [3, H, W]
    private static Picture ToPicture(Tensor planes)
    {
        using Tensor pixels = planes.permute(1, 2, 0).contiguous();
        return new Picture((int)planes.shape[2], (int)planes.shape[1], 3, pixels.data<byte>().ToArray());
    }
}
