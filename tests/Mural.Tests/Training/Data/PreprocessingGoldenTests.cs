using Mural.Imaging;
using Mural.Tests.Goldens;
using Mural.Tests.LinFusion;
using Mural.Training.Data;

namespace Mural.Tests.Training.Data;

/// <summary>What the official trainers of LinFusion make of pictures.</summary>
[Trait("Area", LinFusionGoldens.Area)]
public class PreprocessingGoldenTests
{
    public static TheoryData<string> Cases =>
        GoldenCase.Names(LinFusionGoldens.Area, golden => golden.Has("in.picture0") && golden.Has("out.sd.image_u8") && golden.Has("out.sdxl.image_u8"));

    [GoldenTheory, MemberData(nameof(Cases))]
    public void PicturesBecomeTheOfficialSquares(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open(LinFusionGoldens.Area, name);
        int size = golden.Config["resolution"]!.GetValue<int>();
        for (int i = 0; golden.Has($"in.picture{i}"); i++)
        {
            Picture picture = Read(golden.Get($"in.picture{i}", uint8));
            AssertWithinOne(golden.Get("out.sd.image_u8", uint8)[i], PictureDecoder.Square(picture, size, SquareFit.Stretch));
            AssertWithinOne(golden.Get("out.sdxl.image_u8", uint8)[i], PictureDecoder.Square(picture, size, SquareFit.ShortSide));
            (int _, int _, int top, int left) = PictureDecoder.ShortSide(picture.Width, picture.Height, size);
            Assert.Equal(Numbers("out.sdxl.crop_coords_top_left"), new long[] { top, left });
            Assert.Equal(Numbers("out.sdxl.original_size"), new long[] { picture.Height, picture.Width });
            Assert.Equal(Numbers("out.sdxl.target_size"), new long[] { size, size });

            long[] Numbers(string tensor) => golden.Get(tensor, int64)[i].data<long>().ToArray();
        }
    }

    private static Picture Read(Tensor picture)
    {
        var result = new Picture((int)picture.shape[1], (int)picture.shape[0], 3);
        picture.contiguous().bytes.CopyTo(result.Data);
        return result;
    }

    // Planes against pixels.
    private static void AssertWithinOne(Tensor planes, Picture square)
    {
        Tensor found = tensor(square.Data, uint8).view(square.Height, square.Width, 3).permute(2, 0, 1);
        Assert.InRange((planes.to(int32) - found.to(int32)).abs().max().item<int>(), 0, 1);
    }
}
