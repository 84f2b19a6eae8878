using Mural.Attention;
using Mural.Checkpoints;
using Mural.Layers;
using Mural.Runtime;
using Mural.UNet;
using static Mural.Tests.Autoencoders.TinyAutoencoders;
using static Mural.Tests.UNet.TinyUNets;

namespace Mural.Tests.UNet;

[Trait("Area", "unet")]
public class UNet2DConditionModelTests
{
    public static TheoryData<string, int, long> Families => new()
    {
        { "1.5", 686, 859_520_964 }, { "2.1", 686, 865_910_724 }, { "XL", 1680, 2_567_463_684 },
    };

    public static TheoryData<string> Configs => [.. Variants.Keys];

    // Built on the meta device, which holds no numbers.
    [Theory, MemberData(nameof(Families))]
    public void FamiliesHaveTheirTensorsAndParameters(string family, int tensors, long parameters)
    {
        UNetConfig config = family switch
        {
            "XL" => UNetConfig.StableDiffusionXL,
            "2.1" => new UNetConfig { CrossAttentionWidth = 1024, AttentionHeads = [5, 10, 20, 20], UseLinearProjection = true },
            _ => new UNetConfig(),
        };
        using var network = new UNet2DConditionModel(config, new LayerFactory(ScalarType.Float32, Initialize: false, META));
        TorchSharp.Modules.Parameter[] all = [.. network.parameters()];
        Assert.Equal((tensors, parameters), (all.Length, all.Sum(parameter => parameter.numel())));
    }

    [Theory, MemberData(nameof(Configs))]
    public void BothKernelSetsAgreeOnOddSizes(string name)
    {
        UNetConfig config = Variants[name];
        foreach (KernelSet kernels in Enum.GetValues<KernelSet>())
            foreach ((ScalarType type, double tolerance) in new[] { (ScalarType.Float32, 1e-5), (ScalarType.BFloat16, 3e-2) })
            {
                using var scope = NewDisposeScope();
                using var noGrad = no_grad();
                using UNet2DConditionModel network = Network(config), frozen = Network(config);
                frozen.PrepareForInference(kernels, type);
                Assert.Empty(UnfrozenWeights(frozen));
                Tensor latents = Latents(config, 7, 5), times = Times(981, 20.25);
                using PreparedPrompt prompt = network.Prepare(Conditioning(config)), same = frozen.Prepare(Conditioning(config));
                Tensor expected = network.Forward(latents, times, prompt), actual = frozen.Forward(latents, times, same);
                Assert.Equal(float32, actual.dtype);
                Assert.Equal([2, config.OutChannels, 7, 5], actual.shape);
                Assert.True(Distance(actual, expected) <= tolerance, $"{kernels} in {type}: {Distance(actual, expected)}");
            }
    }

    [Fact]
    public void WeightsHeldInBFloat16GiveTheSameAsThoseConvertedLater()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var folder = new TemporaryFolder();
        using (UNet2DConditionModel network = Network()) network.Save(folder.Path);
        using UNet2DConditionModel early = UNet2DConditionModel.FromFolder(folder.Path, ScalarType.BFloat16), late = UNet2DConditionModel.FromFolder(folder.Path);
        Tensor Run(UNet2DConditionModel network)
        {
            network.PrepareForInference(KernelSet.Mural, ScalarType.BFloat16);
            using PreparedPrompt prompt = network.Prepare(Conditioning(Plain));
            return network.Forward(Latents(Plain, 6, 4), Times(500), prompt);
        }
        Assert.Equal(bfloat16, early.parameters().First(parameter => parameter.dim() == 4).dtype);
        Assert.Equal(0, Distance(Run(early), Run(late)));
    }

    [Fact]
    public void OnePromptServesAnyNumberOfLatents()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using UNet2DConditionModel network = Network(Sized);
        using PreparedPrompt prompt = network.Prepare(Conditioning(Sized, batch: 1));
        Tensor latents = Latents(Sized, 4, 6, batch: 3), together = network.Forward(latents, Times(7), prompt);
        for (int i = 0; i < 3; i++) Assert.InRange(Distance(network.Forward(latents[i..(i + 1)], Times(7), prompt), together[i..(i + 1)]), 0, 1e-5);
    }

    [Fact]
    public void EveryConditionReachesTheResult()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        UNetConfig config = Sized with { GuidanceEmbeddingWidth = 8 };
        using UNet2DConditionModel network = Network(config);
        UNetConditioning conditioning = Conditioning(config);
        Tensor latents = Latents(config, 4, 4);
        Tensor Run(UNetConditioning changed, params double[] times)
        {
            using PreparedPrompt prompt = network.Prepare(changed);
            return network.Forward(latents, Times(times), prompt);
        }
        Tensor plain = Run(conditioning, 3, 5);
        Assert.Equal(0, Distance(Run(conditioning, 3, 5), plain));
        Assert.NotEqual(0, Distance(Run(conditioning, 5, 3), plain));
        Assert.NotEqual(0, Distance(Run(conditioning with { Text = conditioning.Text.flip(1) * 2 }, 3, 5), plain));
        Assert.NotEqual(0, Distance(Run(conditioning with { PooledText = conditioning.PooledText! * 2 }, 3, 5), plain));
        Assert.NotEqual(0, Distance(Run(conditioning with { SizeNumbers = conditioning.SizeNumbers!.flip(1) }, 3, 5), plain));
        Assert.NotEqual(0, Distance(Run(conditioning with { GuidanceScale = 2 }, 3, 5), plain));
        Assert.NotEqual(0, Distance(Run(conditioning with { GuidanceScale = null }, 3, 5), plain));
    }

    // What windowed and linear attention rely on.
    [Fact]
    public void AnotherSelfAttentionTakesItsPlace()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using UNet2DConditionModel network = Network();
        using PreparedPrompt prompt = network.Prepare(Conditioning(Plain));
        Tensor latents = Latents(Plain, 5, 3), expected = network.Forward(latents, Times(9), prompt);
        var seen = new List<MapSize>();
        foreach (TransformerBlock block in network.modules().OfType<TransformerBlock>().Distinct()) block.SelfAttention = new Watched(block.SelfAttention, seen);
        Assert.Equal(0, Distance(network.Forward(latents, Times(9), prompt), expected));
        Assert.Equal([new MapSize(5, 3), new MapSize(3, 2), new MapSize(5, 3), new MapSize(5, 3)], seen);
    }

    private sealed class Watched(ISelfAttention inner, List<MapSize> seen) : ISelfAttention
    {
        public Tensor Forward(Tensor tokens, MapSize map)
        {
            Assert.Equal(map.Height * map.Width, tokens.shape[1]);
            seen.Add(map);
            return inner.Forward(tokens, map);
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void GradientsReachEveryWeightInFloat32(ScalarType type)
    {
        using var scope = NewDisposeScope();
        UNetConfig config = Sized with { GuidanceEmbeddingWidth = 8 };
        using UNet2DConditionModel network = Network(config);
        UNetConditioning conditioning = Conditioning(config);
        using PreparedPrompt prompt = network.Prepare(conditioning with { Text = conditioning.Text.to(type) });
        network.Forward(Latents(config, 4, 6), Times(3, 5), prompt).square().mean().backward();
        foreach ((string name, TorchSharp.Modules.Parameter parameter) in network.named_parameters())
        {
            Assert.True(parameter.grad is not null, name);
            Assert.Equal(float32, parameter.grad!.dtype);
            Assert.True(parameter.grad.abs().max().item<float>() > 0, name);
        }
    }

    [Fact]
    public void NoTensorIsLeftBehind()
    {
        using var noGrad = no_grad();
        using UNet2DConditionModel network = Network(Sized), frozen = Network(Sized);
        frozen.PrepareForInference(KernelSet.Mural, ScalarType.Float32);
        using Tensor latents = Latents(Sized, 5, 4), times = Times(9);
        UNetConditioning conditioning = Conditioning(Sized);
        foreach (UNet2DConditionModel one in new[] { network, frozen })
            LiveTensors.AssertFlat(() =>
            {
                using PreparedPrompt prompt = one.Prepare(conditioning);
                one.Forward(latents, times, prompt).Dispose();
            });
        conditioning.Text.Dispose();
        conditioning.PooledText!.Dispose();
        conditioning.SizeNumbers!.Dispose();
    }

    [Fact]
    public void PromptOutlivesTheScopeItWasMadeIn()
    {
        using var noGrad = no_grad();
        using UNet2DConditionModel network = Network(Sized);
        PreparedPrompt prompt;
        using (NewDisposeScope()) prompt = network.Prepare(Conditioning(Sized));
        using (prompt)
        {
            using var scope = NewDisposeScope();
            Assert.Equal([2, 4, 4, 4], network.Forward(Latents(Sized, 4, 4), Times(1), prompt).shape);
        }
    }

    [Fact]
    public void WrongInputsAreExplained()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using UNet2DConditionModel plain = Network(), sized = Network(Sized), other = Network();
        UNetConditioning text = Conditioning(Plain), full = Conditioning(Sized);
        using PreparedPrompt prompt = plain.Prepare(text), stranger = other.Prepare(text);
        Tensor latents = Latents(Plain, 4, 4), one = Times(1);
        foreach (Action action in new Action[]
        {
            () => plain.Prepare(new UNetConditioning(ones(2, 7, 5))), () => plain.Prepare(new UNetConditioning(ones(7, 12))),
            () => plain.Prepare(new UNetConditioning(ones(2, 0, 12))),
            () => plain.Prepare(new UNetConditioning(ones(2, 7, 12, dtype: int64))), () => plain.Prepare(text with { PooledText = ones(2, 10) }),
            () => plain.Prepare(text with { GuidanceScale = 2 }), () => sized.Prepare(text), () => sized.Prepare(full with { SizeNumbers = ones(2, 5) }),
            () => sized.Prepare(full with { PooledText = ones(1, 10) }), () => sized.Prepare(full with { GuidanceScale = double.NaN }),
            () => plain.Forward(latents[.., ..3], one, prompt), () => plain.Forward(latents[0], one, prompt), () => plain.Forward(latents[.., .., ..0], one, prompt),
            () => plain.Forward(latents, Times(1, 2, 3), prompt), () => plain.Forward(latents, one, stranger), () => plain.Forward(Latents(Plain, 4, 4, 3), one, prompt),
            () => plain.Forward(latents, one, prompt, new ControlResiduals([ones(2, 16, 4, 4)], ones(2, 32, 2, 2))),
            () => plain.Forward(latents, one, prompt, new ControlResiduals(Enumerable.Repeat(ones(2, 16, 4, 4), 4), ones(2, 32, 2, 2))),
        })
        {
            AssertOneSentence(Assert.Throws<MuralException>(action).Message);
        }
    }

    [Fact]
    public void FrozenSaysWhatItNoLongerDoes()
    {
        using var folder = new TemporaryFolder();
        using UNet2DConditionModel network = Network(), stored = Network();
        stored.Save(folder.Path);
        using ITensorSource weights = Checkpoint.Open(folder.Path);
        network.PrepareForInference(KernelSet.Mural, ScalarType.Float32);
        foreach (Action action in new Action[]
        {
            () => network.Save(folder.At("again")), () => network.Load(weights), () => network.PrepareForInference(KernelSet.Mural, ScalarType.Float32)
        })
            AssertOneSentence(Assert.Throws<MuralException>(action).Message);
        Assert.False(Directory.Exists(folder.At("again")));
    }
}
