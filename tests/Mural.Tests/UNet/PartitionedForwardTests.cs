using Mural.LinFusion;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.Tests.LinFusion;
using Mural.UNet;

namespace Mural.Tests.UNet;

/// <summary>A UNet run by workers that have a slab of rows each gives what it gives alone.</summary>
public class PartitionedForwardTests
{
    public static TheoryData<string> Mounted => GoldenCase.Names(LinFusionGoldens.Area, golden =>
        golden.Config["linfusion"] is not null && golden.Has("in.sample") && golden.Has("in.timestep") && golden.Has("out.sample"));

    // Every kind of architecture, heights that no level divides, and both ways of holding weights.
    [Theory]
    [InlineData("plain", false)]
    [InlineData("sized", false)]
    [InlineData("three levels", false)]
    [InlineData("three levels", true)]
    [InlineData("far sides", false)]
    [InlineData("everything else", false)]
    public void AnyNumberOfPartsGivesTheWhole(string variant, bool packed)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        UNetConfig config = TinyUNets.Variants[variant];
        using UNet2DConditionModel network = TinyUNets.Network(config);
        using var generator = new Generator(3);
        network.StartLinFusion(LinFusionConfig.For(config, divisor: 2), generator);
        foreach (TorchSharp.Modules.Parameter parameter in network.LinearAttentions().parameters()) parameter.add_(randn(parameter.shape, generator: generator) * 0.05f);
        if (packed) network.PrepareForInference(KernelSet.Mural, float32);
        Tensor sample = randn([2, config.InChannels, 26, 11], generator: generator), time = tensor(new[] { 900f, 10f });
        using PreparedPrompt prompt = network.Prepare(TinyUNets.Conditioning(config, 2));
        Tensor whole = network.Forward(sample, time, prompt);
        foreach (int parts in new[] { 1, 2, 3, 5 })
            Assert.InRange(LinFusionGoldens.Distance(PartitionedForward.Run(network, sample, time, prompt, parts), whole), 0, 2e-6);
    }

    [GoldenTheory, MemberData(nameof(Mounted)), Trait("Area", LinFusionGoldens.Area)]
    public void PartsGiveTheOfficialResult(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients(LinFusionGoldens.Area, name);
        using UNet2DConditionModel network = UNetGoldens.Load(golden);
        network.LoadLinFusion(LinFusionGoldens.Folder(golden));
        using PreparedPrompt prompt = network.Prepare(UNetGoldens.Conditioning(golden, float32));
        Tensor sample = golden.Get("in.sample");
        int most = (int)Math.Min(5, (sample.shape[2] + (1 << (network.Config.BlockOutChannels.Count - 1)) - 1) >> (network.Config.BlockOutChannels.Count - 1));
        for (int parts = 1; parts <= most; parts++) golden.AssertMatches("out.sample", PartitionedForward.Run(network, sample, golden.Get("in.timestep"), prompt, parts));
    }

    [Fact]
    public void MorePartsThanRowsAreRefused() =>
        Assert.Equal(
            "17 rows of latents can be run in 3 parts at most, not in 4: each needs 8 rows.",
            Assert.Throws<MuralException>(() => PartitionedForward.Slabs(17, 4, 4)).Message);

    [Fact]
    public void SlabsAreAllRowsOnce()
    {
        Assert.Equal([(0, 8), (8, 8), (16, 16), (32, 8), (40, 11)], PartitionedForward.Slabs(51, 5, 4));
        Assert.Equal([(0, 51)], PartitionedForward.Slabs(51, 1, 4));
    }

    // The worker that finds it out ends the others, which wait for it.
    [Fact]
    public void SoftmaxAttentionCannotBeParted()
    {
        using var quiet = no_grad();
        using UNet2DConditionModel network = TinyUNets.Network();
        using PreparedPrompt prompt = network.Prepare(TinyUNets.Conditioning(TinyUNets.Plain, 1));
        using Tensor sample = zeros(1, 4, 8, 8), time = tensor(3f);
        Assert.Contains("linear attention", Assert.Throws<MuralException>(() => PartitionedForward.Run(network, sample, time, prompt, 3)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NothingIsLeftBehind()
    {
        using var quiet = no_grad();
        using UNet2DConditionModel network = TinyUNets.Network();
        using var generator = new Generator(3);
        network.StartLinFusion(LinFusionConfig.For(TinyUNets.Plain), generator);
        using PreparedPrompt prompt = network.Prepare(TinyUNets.Conditioning(TinyUNets.Plain, 1));
        using Tensor sample = zeros(1, 4, 8, 8), time = tensor(3f);
        LiveTensors.AssertFlat(() => PartitionedForward.Run(network, sample, time, prompt, 2).Dispose());
    }
}
