using Mural.Runtime;

namespace Mural.Tests.Runtime;

public class RuntimePlanTests
{
    private static readonly ProcessorFeatures Plain = new() { Avx2 = true, Avx512 = true };

    public static TheoryData<bool, bool, Precision> Processors => new()
    {
        { false, false, Precision.Float32 },
        { true, false, Precision.BFloat16 },
        { false, true, Precision.BFloat16 },
        { true, true, Precision.BFloat16 },
    };

    [Theory]
    [MemberData(nameof(Processors))]
    public void BFloat16IsTakenWhereTheProcessorMultipliesIt(bool vectors, bool tiles, Precision expected)
    {
        ProcessorFeatures processor = Plain with { Avx512BFloat16 = vectors, AmxBFloat16 = tiles };
        Assert.Equal(expected, RuntimePlan.Choose(new RuntimeOptions(), processor, 0, false).Precision);
    }

    [Fact]
    public void WhatIsAskedForIsTaken()
    {
        var options = new RuntimeOptions { Device = "CUDA:1", Precision = Precision.Float16, Kernels = KernelSet.Libtorch, Threads = 3 };
        RuntimePlan plan = RuntimePlan.Choose(options, Plain, 2, false);
        Assert.Equal((DeviceType.CUDA, 1), (plan.Device.type, plan.Device.index));
        Assert.Equal((Precision.Float16, KernelSet.Libtorch, 3), (plan.Precision, plan.Kernels, plan.Threads));
    }

    [Fact]
    public void AnotherDeviceThanTheCpuRunsLibtorchsOperators()
    {
        RuntimePlan plan = RuntimePlan.Choose(new RuntimeOptions(), Plain, 1, false);
        Assert.Equal((DeviceType.CUDA, Precision.BFloat16, KernelSet.Libtorch), (plan.Device.type, plan.Precision, plan.Kernels));
    }

    [Theory]
    [InlineData("cuda", "no CUDA device")]
    [InlineData("abacus", "not a device")]
    [InlineData("cuda:x", "not a device")]
    [InlineData("cuda:0:1", "not a device")]
    [InlineData("mps", "Apple")]
    public void AnImpossibleDeviceIsRefused(string device, string reason)
    {
        var problem = Assert.Throws<MuralException>(() => RuntimePlan.Choose(new RuntimeOptions { Device = device }, Plain, 0, false));
        Assert.Contains(reason, problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(100_000)]
    public void NoThreadsAndThousandsAreRefused(int threads) =>
        Assert.Throws<MuralException>(() => RuntimePlan.Choose(new RuntimeOptions { Threads = threads }, Plain, 0, false));

    [Theory]
    [InlineData("always [madvise] never\n", "madvise")]
    [InlineData("[always] madvise never", "always")]
    [InlineData("", null)]
    public void TheHugePagesModeIsTheMarkedOne(string text, string? mode) => Assert.Equal(mode, HugePages.ParseMode(text));
}
