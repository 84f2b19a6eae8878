using Mural.Imaging;

namespace Mural.Tests.Imaging;

public class PictureTests
{
    [Fact]
    public void FlippingExchangesLeftAndRightOfEachRow()
    {
        var picture = new Picture(2, 2, 3, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        byte[] expected = [4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9];
        Assert.Equal(expected, picture.FlipHorizontally().Data);
    }
}
