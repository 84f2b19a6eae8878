using Mural.HiDiffusion;
using Mural.Runtime;
using Mural.Tests.UNet;
using Mural.UNet;

namespace Mural.Tests.HiDiffusion;

/// <summary>The UNet with HiDiffusion at any size, on small networks of random weights.</summary>
[Trait("Area", HiDiffusionGoldens.Area)]
public class HiDiffusionUNetTests
{
    internal static readonly UNetConfig First = new()
    {
        BlockOutChannels = [8, 8, 8, 8],
        LayersPerBlock = [1, 1, 1, 1],
        AttentionHeads = [1, 1, 1, 1],
        CrossAttentionWidth = 4,
        NormGroupCount = 4,
    };

    internal static readonly UNetConfig XL = First with
    {
        BlockOutChannels = [8, 8, 8],
        DownBlockAttention = [false, true, true],
        UpBlockAttention = [true, true, false],
        LayersPerBlock = [1, 1, 1],
        AttentionHeads = [1, 1, 1],
        TransformerLayers = [1, 1, 2],
        SizeEmbeddingWidth = 4,
        AddedEmbeddingWidth = 10 + 6 * 4,
    };

    private static readonly int[] Heights = [64, 71, 90];

    public static TheoryData<string, bool, bool> Families => new() { { "1 and 2", false, false }, { "XL", true, false }, { "XL Turbo", true, true } };

    // Pictures 512 to 1096 pixels wide, each at one of the heights; the narrowest and the widest at others too. The pooled level has two blocks.
    [Theory, MemberData(nameof(Families))]
    public void EverySizeIsTaken(string family, bool extraLarge, bool fewSteps)
    {
        using var quiet = inference_mode();
        UNetConfig config = extraLarge ? XL with { LayersPerBlock = [1, 2, 1] } : First with { LayersPerBlock = [1, 2, 1, 1] };
        using UNet2DConditionModel network = TinyUNets.Network(config);
        network.PrepareForInference(KernelSet.Mural, float32);
        using PreparedPrompt prompt = network.Prepare(TinyUNets.Conditioning(config, batch: 1));
        using Tensor time = tensor(500f);
        HiDiffusionArchitecture architecture = HiDiffusionArchitecture.Find(config, fewSteps)!;
        using var shifts = new WindowShifts([5]);
        for (int width = 64; width <= 137; width++)
            foreach (int height in width is 64 or 65 or 137 ? [101, 137] : (int[])[Heights[width % Heights.Length]])
            {
                using var scope = NewDisposeScope();
                Tensor latents = TinyUNets.Latents(config, height, width, batch: 1);
                // Everything at once: both resamplers, windows; then windows alone; then nothing.
                HiDiffusionPlan all = HiDiffusionPlan.For(architecture, height, width, 1, new() { T1 = 1, T2 = 1 }),
                    none = HiDiffusionPlan.For(architecture, height, width, 1, new() { RauNet = false, WindowAttention = false });
                HiDiffusionStep step = all.At(0, shifts);
                Assert.True(step is { StridedLevel: not null, PooledLevel: not null, Windows.Count: >= 3 }, family);
                Tensor painted = network.Run(latents, time, prompt, step: step);
                Assert.Equal(latents.shape, painted.shape);
                Assert.True(painted.isfinite().all().item<bool>());
                Assert.True(network.Run(latents, time, prompt, step: none.At(0, shifts)).equal(network.Forward(latents, time, prompt)).all().item<bool>());
                if (width % 16 == 1)
                    Assert.Equal(latents.shape, network.Run(latents, time, prompt, step: step with { StridedLevel = null, PooledLevel = null }).shape);
            }
    }

    // The windows of the official code at even sizes are those of every size; at odd ones, its resized maps only look alike.
    [Theory]
    [InlineData(24, 20, 0)]
    [InlineData(25, 20, 0.5)]
    public void OnlyOddMapsDifferFromTheOfficialOnes(int height, int width, double most)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using UNet2DConditionModel network = TinyUNets.Network(First);
        using PreparedPrompt prompt = network.Prepare(TinyUNets.Conditioning(First, batch: 1));
        using var shifts = new WindowShifts([5]);
        HiDiffusionStep step = HiDiffusionPlan.For(HiDiffusionArchitecture.Find(First)!, height, width, 10, new()).At(5, shifts);
        Tensor latents = TinyUNets.Latents(First, height, width, batch: 1), time = tensor(500f);
        Tensor exact = network.Run(latents, time, prompt, step: step), resized = network.Run(latents, time, prompt, step: step with { ResizesOddMaps = true });
        double distance = ((exact - resized).norm() / exact.norm()).item<float>();
        Assert.InRange(distance, most == 0 ? 0 : 1e-9, most);
    }

    [Fact]
    public void TheEarlierUpsamplerIsSmootherAndOnlyWhereTheStridedStepIs()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        foreach (UNetConfig config in (UNetConfig[])[First, XL])
        {
            using UNet2DConditionModel network = TinyUNets.Network(config);
            using PreparedPrompt prompt = network.Prepare(TinyUNets.Conditioning(config, batch: 1));
            using var shifts = new WindowShifts([5]);
            HiDiffusionArchitecture architecture = HiDiffusionArchitecture.Find(config)!;
            Tensor latents = TinyUNets.Latents(config, 25, 20, batch: 1), time = tensor(500f);
            foreach ((int call, bool differs) in new[] { (0, true), (9, false) })
            {
                HiDiffusionStep step = HiDiffusionPlan.For(architecture, 25, 20, 10, new() { T1 = 0.4, WindowAttention = false }).At(call, shifts);
                Tensor today = network.Run(latents, time, prompt, step: step), before = network.Run(latents, time, prompt, step: step with { EarlierUpsampler = true });
                Assert.Equal(today.shape, before.shape);
                Assert.Equal(differs, !today.equal(before).all().item<bool>());
            }
        }
    }

    // Nothing is remembered by the network: settings may change from call to call.
    [Fact]
    public void RunsOfDifferentSettingsShareANetwork()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using UNet2DConditionModel network = TinyUNets.Network(First);
        using PreparedPrompt prompt = network.Prepare(TinyUNets.Conditioning(First, batch: 1));
        Tensor time = tensor(500f), small = TinyUNets.Latents(First, 24, 20, batch: 1), large = TinyUNets.Latents(First, 33, 26, batch: 1);
        Tensor[] Run(Tensor latents, HiDiffusionOptions options)
        {
            HiDiffusionPlan plan = HiDiffusionPlan.For(HiDiffusionArchitecture.Find(First)!, latents.shape[2], latents.shape[3], 4, options);
            return [.. Enumerable.Range(0, 4).Select(call => network.Run(latents, time, prompt, step: plan.At(call, new HiDiffusionGoldens.Recorded([1, 2, 3]))))];
        }
        HiDiffusionOptions first = new() { T1 = 0.5 }, second = new() { T1 = 1, T2 = 0.5 };
        Tensor[] alone = Run(small, first);
        // A run that is given up half way leaves nothing behind either.
        HiDiffusionPlan aborted = HiDiffusionPlan.For(HiDiffusionArchitecture.Find(First)!, 33, 26, 7, second);
        network.Run(large, time, prompt, step: aborted.At(0, new HiDiffusionGoldens.Recorded([0, 0, 0])));
        Run(large, second);
        foreach ((Tensor one, Tensor again) in alone.Zip(Run(small, first))) Assert.True(one.equal(again).all().item<bool>());
    }

    [Fact]
    public void NothingIsLeftBehind()
    {
        using var quiet = no_grad();
        using UNet2DConditionModel network = TinyUNets.Network(XL);
        using PreparedPrompt prompt = network.Prepare(TinyUNets.Conditioning(XL, batch: 1));
        using Tensor time = tensor(500f), latents = TinyUNets.Latents(XL, 25, 20, batch: 1);
        HiDiffusionPlan plan = HiDiffusionPlan.For(HiDiffusionArchitecture.Find(XL)!, 25, 20, 1, new() { T1 = 1, T2 = 1, EarlierUpsampler = true });
        LiveTensors.AssertFlat(() =>
        {
            using var shifts = new WindowShifts([5]);
            network.Run(latents, time, prompt, step: plan.At(0, shifts)).Dispose();
        });
    }
}
