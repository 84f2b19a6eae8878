using Mural.HiDiffusion;
using Mural.Tests.Autoencoders;
using Mural.UNet;

namespace Mural.Tests.HiDiffusion;

/// <summary>Choices beside the official code's: presets, and what replaces their values one by one.</summary>
[Trait("Area", HiDiffusionGoldens.Area)]
public class HiDiffusionPlanTests
{
    private static readonly HiDiffusionArchitecture First = HiDiffusionArchitecture.Find(new UNetConfig())!, XL = HiDiffusionArchitecture.Find(UNetConfig.StableDiffusionXL)!;

    [Fact]
    public void PicturesOfTheTrainedSizeAreNotResampled()
    {
        Assert.False(Plan(First, 64, 64, new()).Resamples);
        Assert.False(Plan(First, 48, 80, new()).Resamples);
        Assert.True(Plan(First, 64, 72, new()).Resamples);
        Assert.False(Plan(XL, 104, 152, new()).Resamples);
        Assert.Null(Plan(XL, 104, 152, new()).ControlSize);
        // Unless one asks for it.
        Assert.True(Plan(First, 64, 64, new() { Preset = HiDiffusionPreset.Sides1024 }).Resamples);
        Assert.True(Plan(First, 64, 64, new() { T1 = 0.2 }).Resamples);
        Assert.True(Plan(First, 64, 64, new()).Windowed);
    }

    [Fact]
    public void ValuesReplaceThePresets()
    {
        Assert.Equal((new CallSpan(0, 20), default(CallSpan)), Spans(Plan(First, 128, 128, new())));
        Assert.Equal((new CallSpan(0, 10), default), Spans(Plan(First, 128, 128, new() { T1 = 0.2 })));
        Assert.Equal((new CallSpan(0, 20), new CallSpan(0, 5)), Spans(Plan(First, 128, 128, new() { T2 = 0.1 })));
        Assert.Equal((new CallSpan(0, 35), new CallSpan(0, 15)), Spans(Plan(First, 128, 128, new() { Preset = HiDiffusionPreset.Sides2048 })));
        Assert.Equal((new CallSpan(0, 8), new CallSpan(8, 20)), Spans(Plan(XL, 256, 256, new())));
        Assert.Equal((default, new CallSpan(0, 20)), Spans(Plan(XL, 256, 256, new() { Aggressive = false })));
        // In the aggressive way the second share would count for nothing.
        Assert.Equal((new CallSpan(0, 15), new CallSpan(0, 20)), Spans(Plan(XL, 256, 256, new() { T2 = 0.3 })));
        Assert.Equal((default, new CallSpan(0, 25)), Spans(Plan(XL, 256, 256, new() { Preset = HiDiffusionPreset.FewSteps })));
        Assert.Equal((default(CallSpan), default(CallSpan)), Spans(Plan(XL, 256, 256, new() { RauNet = false })));
        Assert.Equal((default, new CallSpan(0, 20)), Spans(Plan(XL with { Inpaints = true }, 256, 256, new())));
    }

    // Choosing what Stable Diffusion 1 and 2 do not have must not resample them at their own size.
    [Fact]
    public void TheAggressiveWayIsXLsAlone()
    {
        Assert.False(Plan(First, 64, 64, new() { Aggressive = true }).Resamples);
        Assert.Equal(Spans(Plan(First, 128, 128, new())), Spans(Plan(First, 128, 128, new() { Aggressive = true })));
        Assert.True(Plan(XL, 128, 128, new() { Aggressive = true }).Resamples);
    }

    [Fact]
    public void WhatCountsForNothingIsSaid()
    {
        string[] Unused(HiDiffusionArchitecture architecture, HiDiffusionOptions options) => [.. HiDiffusionNotes.Unused(Plan(architecture, 256, 256, options))];
        void Says(string part, HiDiffusionArchitecture architecture, HiDiffusionOptions options)
        {
            string sentence = Assert.Single(Unused(architecture, options));
            Assert.Contains(part, sentence, StringComparison.Ordinal);
            TinyAutoencoders.AssertOneSentence(sentence);
        }
        Says("is for Stable Diffusion XL", First, new() { Aggressive = true });
        Says("does not use T2", XL, new() { Aggressive = true, T2 = 0.3 });
        Says("does not use T1; leave it out", First, new() { RauNet = false, T1 = 0.5 });
        Says(
            "does not use T1, T2, the aggressive way, the earlier up-sampler; leave them out",
            XL, new() { RauNet = false, T1 = 0.5, T2 = 0.3, Aggressive = true, EarlierUpsampler = true });
        Says("earlier up-sampler", XL, new() { Preset = HiDiffusionPreset.FewSteps, EarlierUpsampler = true });
        Says("does nothing", XL, new() { RauNet = false, WindowAttention = false, T1 = 0.5 });
        foreach (HiDiffusionOptions used in
            (HiDiffusionOptions[])[new(), new() { RauNet = false }, new() { WindowAttention = false, T1 = 0.5, T2 = 0.3 },
                new() { EarlierUpsampler = true }, new() { Aggressive = false, T2 = 0.3 }])
        {
            Assert.Empty(Unused(First, used));
            Assert.Empty(Unused(XL, used));
        }
        Assert.Empty(Unused(XL, new() { Aggressive = true, EarlierUpsampler = true }));
    }

    [Fact]
    public void TheRemedyIsWhatWouldLetItResample()
    {
        string? Remedy(int side, int calls, HiDiffusionOptions options) => HiDiffusionPlan.For(First, side, side, calls, options).Remedy;
        Assert.Null(Remedy(128, 50, new()));
        Assert.Null(Remedy(64, 50, new() { RauNet = false }));
        Assert.Equal("a larger picture", Remedy(64, 50, new()));
        Assert.Equal("more steps", Remedy(128, 2, new()));
        Assert.Equal("a larger picture and more steps", Remedy(64, 2, new()));
        Assert.Equal("a T1 above 0", Remedy(128, 50, new() { T1 = 0 }));
        Assert.Null(Remedy(128, 50, new() { T1 = 0, T2 = 0.3 }));
    }

    [Fact]
    public void SmallerNetworksAreResampledThroughoutFromSizesInProportionToTheirSide()
    {
        UNetConfig config = new()
        {
            BlockOutChannels = [64, 160, 320],
            DownBlockAttention = [true, true, false],
            UpBlockAttention = [false, true, true],
            LayersPerBlock = [1, 1, 1],
            TransformerLayers = [1, 1, 1],
            AttentionHeads = [2, 5, 10],
            SampleSize = 16,
        };
        HiDiffusionArchitecture small = HiDiffusionArchitecture.Find(config)!;
        Assert.Equal((HiDiffusionFamily.StableDiffusion, 0, 1, 3), (small.Family, small.StridedLevel, small.PooledLevel, small.Windowed.Count));
        Assert.False(Plan(small, 16, 16, new()).Resamples);
        CallSpan all = new(0, 50);
        Assert.Equal((all, default(CallSpan)), Spans(Plan(small, 32, 32, new())));
        Assert.Equal((all, default(CallSpan)), Spans(Plan(small, 63, 80, new())));
        Assert.Equal((all, all), Spans(Plan(small, 64, 64, new())));
        Assert.Equal((new CallSpan(0, 20), default(CallSpan)), Spans(Plan(small, 32, 32, new() { T1 = 0.4 })));
        Assert.Null(HiDiffusionArchitecture.Find(config with { DownBlockAttention = [true, false], UpBlockAttention = [false, true] }));
    }

    [Fact]
    public void OneSwitchIsIndependentOfTheOther()
    {
        using var shifts = new WindowShifts([1]);
        HiDiffusionStep windows = Plan(First, 128, 128, new() { RauNet = false }).At(0, shifts),
            resampling = Plan(First, 128, 128, new() { WindowAttention = false }).At(0, shifts);
        Assert.Equal((null, 5), (windows.StridedLevel, windows.Windows.Count));
        Assert.Equal((0, 0), (resampling.StridedLevel, resampling.Windows.Count));
        Assert.Equal(10, Plan(XL, 256, 256, new()).At(0, shifts).Windows.Count);
    }

    [Fact]
    public void WhatCannotBeIsRefused()
    {
        Assert.Contains(
            "1024 and 2048, not 4096",
            Assert.Throws<MuralException>(() => Plan(First, 128, 128, new() { Preset = HiDiffusionPreset.Sides4096 })).Message, StringComparison.Ordinal);
        Assert.Contains("not turbo", Assert.Throws<MuralException>(() => Plan(First, 128, 128, new() { Preset = HiDiffusionPreset.FewSteps })).Message, StringComparison.Ordinal);
        Assert.Contains("not 1024", Assert.Throws<MuralException>(() => Plan(XL, 256, 256, new() { Preset = HiDiffusionPreset.Sides1024 })).Message, StringComparison.Ordinal);
        foreach (double share in (double[])[-0.1, 1.1, double.NaN])
        {
            Assert.Contains("T1", Assert.Throws<MuralException>(() => Plan(First, 128, 128, new() { T1 = share })).Message, StringComparison.Ordinal);
            Assert.Contains("T2", Assert.Throws<MuralException>(() => Plan(First, 128, 128, new() { T2 = share })).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(256, 256, 128, 128)]
    [InlineData(192, 256, 96, 128)]
    [InlineData(208, 304, 80, 128)]
    [InlineData(135, 240, 72, 128)]
    [InlineData(512, 512, 128, 128)]
    [InlineData(16, 2048, 8, 128)]
    public void ControlNetsSeeTheTrainedSize(int height, int width, int controlHeight, int controlWidth) =>
        Assert.Equal((controlHeight, controlWidth), Plan(XL, height, width, new()).ControlSize);

    // Networks of Stable Diffusion 2 at 768 pixels, and old folders that state half the side.
    [Fact]
    public void TheSideOfTrainingCountsNotTheFamilys()
    {
        HiDiffusionArchitecture second = HiDiffusionArchitecture.Find(new UNetConfig { SampleSize = 96 })!,
            halved = HiDiffusionArchitecture.Find(new UNetConfig { SampleSize = 32 }, side: 64)!;
        Assert.Equal((96, 96), Plan(second, 192, 192, new()).ControlSize);
        Assert.Equal((new CallSpan(0, 35), new CallSpan(0, 15)), Spans(Plan(second, 256, 256, new())));
        Assert.False(Plan(second, 96, 96, new()).Resamples);
        Assert.Equal(First with { Windowed = halved.Windowed }, halved);
        Assert.False(Plan(halved, 64, 64, new()).Resamples);
        Assert.Equal((64, 64), Plan(halved, 128, 128, new()).ControlSize);
    }

    [Theory]
    [InlineData(50, 30)]
    [InlineData(49, 30)]
    [InlineData(42, 26)]
    [InlineData(4, 3)]
    public void ControlNetsTakePartInTheFirstThreeFifths(int steps, int controlled) =>
        Assert.Equal(controlled, Enumerable.Range(0, steps).Count(call => HiDiffusionPlan.For(XL, 256, 256, steps, new()).Controls(call, steps)));

    [Fact]
    public void ControlNetsSeeTheTrainedSizeBesideWindowsAlone()
    {
        Assert.Equal((128, 128), Plan(XL, 256, 256, new() { RauNet = false }).ControlSize);
        Assert.Null(Plan(XL, 256, 256, new() { RauNet = false, WindowAttention = false }).ControlSize);
        Assert.Null(Plan(XL, 128, 128, new()).ControlSize);
    }

    public static TheoryData<HiDiffusionOptions> Settings => new(
        new HiDiffusionOptions(),
        new HiDiffusionOptions { Preset = HiDiffusionPreset.Sides1024, T1 = 0.25 },
        new HiDiffusionOptions { Preset = HiDiffusionPreset.FewSteps, T2 = 0.125, RauNet = false },
        new HiDiffusionOptions { Preset = HiDiffusionPreset.Sides4096, WindowAttention = false, Aggressive = false },
        new HiDiffusionOptions { Aggressive = true, EarlierUpsampler = true, ResizeOddMaps = true });

    [Theory, MemberData(nameof(Settings))]
    public void WordsSayThemAll(HiDiffusionOptions options) => Assert.Equal(options, HiDiffusionWords.Read(HiDiffusionWords.Write(options)));

    private static HiDiffusionPlan Plan(HiDiffusionArchitecture architecture, int height, int width, HiDiffusionOptions options) =>
        HiDiffusionPlan.For(architecture, height, width, 50, options);

    private static (CallSpan, CallSpan) Spans(HiDiffusionPlan plan) => (plan.Strided, plan.Pooled);
}
