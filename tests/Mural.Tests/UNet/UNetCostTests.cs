using Mural.Attention;
using Mural.HiDiffusion;
using Mural.UNet;

namespace Mural.Tests.UNet;

/// <summary>The count of multiply-adds that forecasts and benchmarks rest on.</summary>
[Trait("Area", "unet")]
public class UNetCostTests
{
    private const int TextTokens = 77;

    private static readonly UNetConfig First = new();

    private static double Of(MapSize map, bool linear = false, HiDiffusionStep? step = null) => UNetCost.Forward(First, map, TextTokens, linear, step);

    [Fact]
    public void CountsAreThoseThatWerePublished()
    {
        // arXiv 2112.10752 and 2307.01952 have the architectures; counters leave out attention itself or not, hence the width.
        Assert.InRange(Of(new MapSize(64, 64)), 380e9, 420e9);
        Assert.InRange(UNetCost.Forward(UNetConfig.StableDiffusionXL, new MapSize(128, 128), TextTokens), 3200e9, 3550e9);
    }

    // LinFusion's specification (1.5), in 1e9 multiply-additions of all self-attentions; the network at 512x512 has 401.6.
    [Theory]
    [InlineData(512, 87, 53)]
    [InlineData(1024, 1082, 211)]
    [InlineData(2048, 16089, 845)]
    [InlineData(4096, 252507, 3378)]
    public void LinearAttentionSavesWhatTheSpecificationSays(int size, double softmax, double linear)
    {
        var map = new MapSize(size / 8, size / 8);
        double plain = Of(map), rest = (401.6e9 - 87e9) * size * size / (512 * 512);
        Assert.InRange(plain, 0.99 * (rest + softmax * 1e9), 1.01 * (rest + softmax * 1e9));
        Assert.InRange(plain - Of(map, linear: true), (softmax - linear) * 0.99e9, (softmax - linear) * 1.01e9);
    }

    [Fact]
    public void HiDiffusionSavesOperations()
    {
        var map = new MapSize(128, 128);
        using var shifts = new WindowShifts([1]);
        HiDiffusionPlan plan = HiDiffusionPlan.For(HiDiffusionArchitecture.Find(First)!, map.Height, map.Width, 30, new());
        double plain = Of(map), early = Of(map, step: plan.At(0, shifts)), late = Of(map, step: plan.At(29, shifts));
        Assert.True(early < late && late < plain);
        // Five attentions of 16384 tokens and 320 channels look at a quarter of the keys.
        Assert.Equal(5 * 2 * 16384.0 * 12288 * 320, plain - late, 1e6);
    }

    [Fact]
    public void ControlNetIsAWayDownAndAMiddle()
    {
        // arXiv 2302.05543, section 3.1: the way down is about two fifths of the network's work.
        double share = UNetCost.Control(First, new MapSize(64, 64), TextTokens) / Of(new MapSize(64, 64));
        Assert.InRange(share, 0.3, 0.45);
    }
}
