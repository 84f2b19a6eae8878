using Mural.Attention;
using Mural.Runtime;

namespace Mural.Tests.Attention;

public class AttentionChoiceTests
{
    private static readonly AttentionShape Large = new(2, 8, 1024, 1024, 40, bfloat16);

    private static readonly ProcessorFeatures Native = new() { Avx2 = true, Avx512 = true, Avx512BFloat16 = true }, Plain = new() { Avx2 = true };

    [Fact]
    public void WaysComeInTheOrderOfTheirSpeedWhereTheyServe()
    {
        Assert.Equal(
            [AttentionWay.FlashBFloat16, AttentionWay.FlashFloat32, AttentionWay.FlashVectors, AttentionWay.Chunked, AttentionWay.Libtorch],
            AttentionChoice.Ways(Large, _ => true, Native));
        Assert.Equal(
            [AttentionWay.FlashFloat32, AttentionWay.FlashVectors, AttentionWay.FlashBFloat16, AttentionWay.Chunked, AttentionWay.Libtorch],
            AttentionChoice.Ways(Large, _ => true, Plain));
        Assert.Equal(AttentionWay.FlashFloat32, AttentionChoice.Ways(Large with { Type = float32 }, _ => true, Native)[0]);
        Assert.Equal(AttentionWay.FlashVectors, AttentionChoice.Ways(Large, way => way == AttentionWay.FlashVectors, Native)[0]);
        Assert.Equal(AttentionWay.Chunked, AttentionChoice.Ways(Large, _ => false, Native)[0]);
    }

    [Fact]
    public void WhatNoKernelServesIsLibtorchs()
    {
        foreach (AttentionShape shape in
            (AttentionShape[])[Large with { Size = 513 }, Large with { Type = float16 }, Large with { Tokens = 0 }, Large with { Keys = 0 }, Large with { Batch = 0 }])
        {
            Assert.Equal([AttentionWay.Libtorch], AttentionChoice.Ways(shape, _ => true, Native));
            Assert.Equal(AttentionWay.Libtorch, AttentionChoice.For(shape).Way);
        }
        Assert.Equal(AttentionWay.Libtorch, AttentionChoice.For(new AttentionShape(1, 1, 2, 2, 8, float32)).Way);
        Assert.NotEqual(AttentionWay.FlashBFloat16, AttentionChoice.For(Large with { Type = float32 }).Way);
    }

    // Ways that are timed may differ from process to process, and with them the last bits of a picture.
    [Fact]
    public void FeaturesDecideWhereverTheyAreKnown()
    {
        foreach (ScalarType type in (ScalarType[])[float32, bfloat16])
        {
            Assert.True(AttentionChoice.Knows(Native, type));
            Assert.True(AttentionChoice.Knows(Native with { Avx512BFloat16 = false }, type));
            Assert.True(AttentionChoice.Knows(Plain, type));
            Assert.Equal(type == float32, AttentionChoice.Knows(Native with { AmxBFloat16 = true }, type));
            Assert.False(AttentionChoice.Knows(new ProcessorFeatures { AdvSimd = true }, type));
        }
        ProcessorFeatures here = ProcessorFeatures.Current;
        if (here.Avx2) Assert.DoesNotContain("tried", AttentionChoice.For(Large with { Type = float32 }).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void CalibrationTakesTheFirstUnlessAnotherIsMuchFaster()
    {
        AttentionWay[] ways = [AttentionWay.FlashFloat32, AttentionWay.Chunked, AttentionWay.Libtorch];
        Assert.Equal(AttentionWay.Chunked, AttentionCalibration.Fastest(ways, way => way == AttentionWay.Chunked ? 1 : 2));
        Assert.Equal(AttentionWay.FlashFloat32, AttentionCalibration.Fastest(ways, way => way == AttentionWay.Chunked ? 1 : 1.4));
        Assert.Equal(AttentionWay.FlashFloat32, AttentionCalibration.Fastest(ways, _ => 1));
        AttentionShape kind = AttentionCalibration.Representative(Large with { Tokens = 100, Keys = 77 });
        Assert.Equal(new AttentionShape(1, 8, 128, 128, 40, bfloat16), kind);
        Assert.Equal(kind, AttentionCalibration.Representative(Large with { Tokens = 127, Keys = 65, Batch = 9 }));
        Assert.Contains(AttentionCalibration.Run(kind, ways).Way, ways);
        LiveTensors.AssertFlat(() => AttentionCalibration.Run(kind, ways));
    }
}
