using Mural.Imaging;

namespace Mural.Tests.Imaging;

/// <summary>Pictures of golden cases: [H, W] or [H, W, C], uint8.</summary>
internal static class GoldenPictures
{
    internal static Picture Picture(Tensor samples)
    {
        int channels = samples.dim() == 2 ? 1 : (int)samples.shape[2];
        return new Picture((int)samples.shape[1], (int)samples.shape[0], channels, samples.contiguous().bytes.ToArray());
    }

    internal static int LargestDifference(Tensor expected, Picture actual)
    {
        Picture want = Picture(expected);
        Assert.Equal((want.Width, want.Height, want.Channels), (actual.Width, actual.Height, actual.Channels));
        return want.Data.Zip(actual.Data, (a, b) => Math.Abs(a - b)).Max();
    }

    internal static void AssertEqual(Tensor expected, Picture actual) => Assert.Equal(0, LargestDifference(expected, actual));
}
