using System.Globalization;
using System.Text.Json.Nodes;
using Mural.Imaging;
using Mural.Tests.Goldens;

namespace Mural.Tests.Imaging;

[Trait("Area", "image")]
public class InpaintTests
{
    public static TheoryData<string> Cases => GoldenCase.Names("image", golden => golden.Has("in.mask") && golden.Has("out.mask_pixels"));

    [GoldenTheory, MemberData(nameof(Cases))]
    public void MasksAreThoseOfTheOfficialProcessor(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("image", name);
        int factor = golden.Config["vae_scale_factor"]?.GetValue<int>() ?? 8;
        Picture mask = GoldenPictures.Picture(golden.Get("in.mask"));
        Tensor pixels = InpaintMask.Prepare(mask, factor: factor);
        golden.AssertMatches("out.mask_pixels", pixels);
        golden.AssertMatches("out.mask_latent", InpaintMask.ToLatent(pixels, factor));
        if (golden.Config["resized_to"] is JsonArray resized)
        {
            Tensor resizedPixels = InpaintMask.Prepare(mask, (resized[1]!.GetValue<int>(), resized[0]!.GetValue<int>()), factor);
            golden.AssertMatches("out.mask_resized_pixels", resizedPixels);
            golden.AssertMatches("out.mask_resized_latent", InpaintMask.ToLatent(resizedPixels, factor));
        }
        if (golden.Has("in.rgb_mask")) golden.AssertMatches("out.mask_from_rgb", InpaintMask.Prepare(GoldenPictures.Picture(golden.Get("in.rgb_mask")), factor: factor));
        if (golden.Has("in.tensor_mask")) golden.AssertMatches("out.mask_from_tensor", InpaintMask.Prepare(golden.Get("in.tensor_mask"), factor: factor));
        if (golden.Has("out.masked_image"))
            golden.AssertMatches("out.masked_image", InpaintMask.Hide(PicturePreprocessor.Prepare(GoldenPictures.Picture(golden.Get("in.picture")), factor: factor), pixels));
    }

    [GoldenTheory, MemberData(nameof(Cases))]
    public void BlurAndOverlayAreThoseOfPillow(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("image", name);
        int allowed = golden.Json["tolerance"]!["max_abs"]!["bytes"]!.GetValue<int>();
        Picture mask = GoldenPictures.Picture(golden.Get("in.mask"));
        foreach (string output in golden.Tensors.Keys.Where(key => key.StartsWith("out.blur_", StringComparison.Ordinal)))
        {
            float radius = float.Parse(output["out.blur_".Length..], CultureInfo.InvariantCulture);
            Assert.InRange(GoldenPictures.LargestDifference(golden.Get(output), InpaintOverlay.Blur(mask, radius)), 0, allowed);
        }
        if (!golden.Has("out.overlay")) return;
        Picture overlay = InpaintOverlay.Apply(mask, GoldenPictures.Picture(golden.Get("in.picture")), GoldenPictures.Picture(golden.Get("in.painted")));
        Assert.InRange(GoldenPictures.LargestDifference(golden.Get("out.overlay"), overlay), 0, allowed);
    }

    [GoldenTheory, MemberData(nameof(Cases))]
    public void CropRegionsAreThoseOfTheOfficialProcessor(string name)
    {
        using GoldenCase golden = GoldenCase.Open("image", name);
        long[] shape = golden.Tensors["in.mask"].Shape;
        foreach (JsonNode? entry in golden.Config["crop_regions"]?.AsArray() ?? [])
        {
            int[] place = Numbers(entry!["mask_rows_cols"]!), region = Numbers(entry["region_x1y1x2y2"]!);
            var mask = new Picture((int)shape[1], (int)shape[0], 1);
            for (int y = place[0]; y < place[2]; y++) mask.Row(y)[place[1]..place[3]].Fill(255);
            CropRegion found = CropRegion.Around(mask, (int)entry["target_width"]!, (int)entry["target_height"]!, (int)entry["pad"]!);
            Assert.Equal((region[0], region[1], region[2], region[3]), (found.Left, found.Top, found.Right, found.Bottom));
        }
    }

    [Fact]
    public void AnEmptyMaskIsRefused() =>
        Assert.Contains("black", Assert.Throws<MuralException>(() => CropRegion.Around(new Picture(8, 8, 1), 8, 8, 0)).Message, StringComparison.Ordinal);

    [Fact]
    public void OnePixelLinesAndHugeRadiiBlur()
    {
        Assert.Equal<byte>([7], InpaintOverlay.Blur(new Picture(1, 1, 1, [7]), 50).Data);
        Picture spread = InpaintOverlay.Blur(new Picture(3, 1, 3, [0, 9, 30, 0, 9, 60, 90, 9, 90]), 0.5f);
        Assert.All(spread.Data.Chunk(3), pixel => Assert.Equal(9, pixel[1]));
        Assert.True(spread.Data[3] > 0);
        Assert.Equal<byte>([1, 2, 3], InpaintOverlay.Blur(new Picture(3, 1, 1, [1, 2, 3]), 0).Data);
        Assert.Throws<MuralException>(() => InpaintOverlay.Blur(new Picture(1, 1, 1), -1));
    }

    [Fact]
    public void APaintedPartIsPutBackInItsPlace()
    {
        var mask = new Picture(16, 16, 1);
        for (int y = 4; y < 12; y++) mask.Row(y)[4..12].Fill(255);
        Picture result = InpaintOverlay.Apply(mask, Picture.Filled(16, 16, new Rgb(1, 2, 3)), Picture.Filled(32, 32, new Rgb(200, 100, 50)), new CropRegion(2, 2, 14, 14));
        Assert.Equal(Picture.Filled(8, 8, new Rgb(200, 100, 50)).Data, result.Crop(4, 4, 8, 8).Data);
        Assert.Equal(64, result.Data.Chunk(3).Count(pixel => pixel is [200, 100, 50]));
        Assert.Equal(256 - 64, result.Data.Chunk(3).Count(pixel => pixel is [1, 2, 3]));
    }

    private static int[] Numbers(JsonNode node) => [.. node.AsArray().Select(n => n!.GetValue<int>())];
}
