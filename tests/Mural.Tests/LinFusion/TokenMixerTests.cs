using Mural.Attention;
using Mural.Layers;
using Mural.LinFusion;
using Mural.Tests.UNet;
using Mural.UNet;
using static Mural.Tests.LinFusion.LinFusionGoldens;

namespace Mural.Tests.LinFusion;

/// <summary>The mixers that LinFusion is compared with.</summary>
public class TokenMixerTests
{
    private const int Channels = 8, HeadCount = 2;
    private const long TrainingTokens = 50;

    public static TheoryData<LinearMixer> Others => new(Enum.GetValues<LinearMixer>().Where(kind => kind != LinearMixer.LinFusion));

    public static TheoryData<LinearMixer> All => new(Enum.GetValues<LinearMixer>());

    // Tokens that end within a chunk, and tokens enough for more than one run over chunks.
    [Theory, MemberData(nameof(Others))]
    public void IsItsRecurrence(LinearMixer kind)
    {
        foreach ((int batch, int tokens) in new[] { (2, 1), (2, 133), (1, 2085) })
        {
            using var scope = NewDisposeScope();
            using var quiet = no_grad();
            using TokenMixer exact = (TokenMixer)Module(kind).to(float64), single = Module(kind);
            using var generator = new Generator(5);
            Tensor x = randn([batch, tokens, Channels], generator: generator);
            Tensor expected = new PlainRecurrence(PlainRecurrence.WeightsOf(exact), HeadCount).Run(kind, x.to(float64), TrainingTokens);
            var map = new MapSize(1, tokens);
            Assert.InRange(Distance(exact.Forward(x.to(float64), map), expected), 0, 1e-10);
            Tensor found = single.Forward(x, map);
            Assert.Equal(float32, found.dtype);
            Assert.InRange(Distance(found, expected), 0, 1e-5);
            // The numbers that go in are those of bfloat16; weights and what is between are rounded too.
            Tensor rounded = x.to(bfloat16), reduced = single.Forward(rounded, map);
            Assert.Equal(bfloat16, reduced.dtype);
            Assert.InRange(Distance(reduced, new PlainRecurrence(PlainRecurrence.WeightsOf(exact), HeadCount).Run(kind, rounded.to(float64), TrainingTokens)), 0, 0.03);
        }
    }

    // More tokens than a chunk of each kind of decay holds.
    [Theory, MemberData(nameof(Others))]
    public void GradientsAreFiniteDifferences(LinearMixer kind)
    {
        using TokenMixer module = (TokenMixer)Module(kind).to(float64);
        GradientCheck.AssertGradients(module, 1, 70, Channels);
    }

    // In bfloat16, with weights in float32: what training does.
    [Theory, MemberData(nameof(All))]
    public void GradientsInBFloat16AreThoseOfFloat32(LinearMixer kind)
    {
        using var scope = NewDisposeScope();
        using TokenMixer module = Module(kind);
        using var generator = new Generator(5);
        Tensor x = randn([2, 37, Channels], generator: generator).to(bfloat16), upstream = randn([2, 37, Channels], generator: generator).to(bfloat16);
        Tensor[] Gradients(ScalarType type)
        {
            foreach (TorchSharp.Modules.Parameter parameter in module.parameters()) parameter.grad?.zero_();
            module.Forward(x.to(type), new MapSize(1, 37)).backward([upstream.to(type)]);
            return [.. module.parameters().Select(parameter => parameter.grad!.clone())];
        }
        Tensor[] wide = Gradients(float32), narrow = Gradients(bfloat16);
        foreach ((Tensor expected, Tensor found) in wide.Zip(narrow))
        {
            Assert.Equal(float32, found.dtype);
            Assert.InRange(Distance(found, expected), 0, 0.08);
        }
    }

    // What decides whether a picture's first rows can see its last.
    [Theory]
    [InlineData(LinearMixer.UnnormalizedLinearAttention, true)]
    [InlineData(LinearMixer.CausalLinearAttention, false)]
    [InlineData(LinearMixer.GatedLinearAttention, false)]
    [InlineData(LinearMixer.BidirectionalMamba, true)]
    [InlineData(LinearMixer.Mamba2, false)]
    [InlineData(LinearMixer.BidirectionalMamba2, true)]
    public void TheFirstTokenSeesTheLast(LinearMixer kind, bool expected)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using TokenMixer module = (TokenMixer)Module(kind).to(float64);
        using var generator = new Generator(5);
        Tensor x = randn([1, 9, Channels], dtype: float64, generator: generator), before = module.Forward(x, new MapSize(3, 3));
        x[0, 8].mul_(2);
        Assert.Equal(expected, (module.Forward(x, new MapSize(3, 3))[0, 0] - before[0, 0]).abs().max().item<double>() > 0);
    }

    // Decays that a division by sums of them would not survive.
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void StrongDecaysForgetAndNothingOverflows(int decays)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(5);
        Tensor Normal(int width) => randn([1, 100, 2, width], generator: generator);
        Tensor q = Normal(3), k = Normal(3), v = Normal(5), decay = full([1, 100, 2, decays], -500f);
        q.requires_grad = true;
        decay.requires_grad = true;
        Tensor y = DecayingScan.Apply(q, k, v, decay), alone = (q * k).sum(-1, keepdim: true) * v;
        Assert.InRange(Distance(y.detach(), alone.detach()), 0, 1e-6);
        y.sum().backward();
        Assert.True(q.grad!.isfinite().all().item<bool>() && decay.grad!.isfinite().all().item<bool>());
    }

    [Theory, MemberData(nameof(All))]
    public void ACheckpointKeepsTheMixer(LinearMixer kind)
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using UNet2DConditionModel network = TinyUNets.Network(), other = TinyUNets.Network();
        using var generator = new Generator(3);
        LinFusionConfig config = LinFusionConfig.For(TinyUNets.Plain, mixer: kind, side: 8);
        network.StartLinFusion(config, generator);
        network.SaveLinFusion(folder.Path);
        LinFusionConfig read = LinFusionConfig.Read(folder.Path);
        Assert.Equal(kind, read.Mixer);
        Assert.Equal(config.Modules, read.Modules);
        other.LoadLinFusion(folder.Path);
        using var inputs = new Generator(4);
        Tensor latents = randn([2, 4, 9, 7], generator: inputs), text = randn([2, TinyUNets.Tokens, TinyUNets.ContextWidth], generator: inputs);
        Tensor Run(UNet2DConditionModel unet)
        {
            using PreparedPrompt prompt = unet.Prepare(new UNetConditioning(text));
            return unet.Forward(latents, tensor(500f), prompt);
        }
        Tensor expected = Run(network);
        Assert.Equal(0, (Run(other) - expected).abs().max().item<float>());
        // Packed weights and the hand-written kernels.
        other.PrepareForInference(Mural.Runtime.KernelSet.Mural, float32);
        Assert.InRange(Distance(Run(other), expected), 0, 1e-5);
    }

    [Theory]
    [InlineData(
        "\"mixer\": \"rwkv\",",
        "the mixer \"rwkv\"; known are linfusion, unnormalized_linear_attention, causal_linear_attention, gated_linear_attention, "
        + "bidirectional_mamba, mamba2, bidirectional_mamba2.")]
    [InlineData("\"mixer\": 3,", "the mixer 3; known are")]
    [InlineData("\"mixer\": \"unnormalized_linear_attention\",", "does not say training_tokens")]
    public void MixersThatCannotBeAreRefused(string mixer, string expected)
    {
        string json = "{\"_class_name\": \"LinFusion\", " + mixer + " \"modules_list\": [{\"dim_n\": 8, \"heads\": 2, \"module_name\": \"a\"}]}";
        Assert.Contains(expected, Assert.Throws<MuralException>(() => LinFusionConfigJson.Parse(json, "config.json")).Message, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Others))]
    public void NothingIsLeftBehind(LinearMixer kind)
    {
        using TokenMixer module = Module(kind);
        using Tensor x = zeros(2, 700, Channels);
        LiveTensors.AssertFlat(() =>
        {
            using (no_grad()) module.Forward(x, new MapSize(7, 100)).Dispose();
        });
    }

    // Started as for training, then changed a little, so that no weight is without effect.
    private static TokenMixer Module(LinearMixer kind)
    {
        using var scope = NewDisposeScope();
        manual_seed(6);
        var layers = new LayerFactory(float32, Initialize: true);
        int? width = LinFusionConfig.HasMlp(kind) ? 4 : LinFusionModule.WithoutMlp;
        TokenMixer module = TokenMixer.Create(kind, new LinFusionModule("", Channels, HeadCount, width) { TrainingTokens = TrainingTokens }, layers);
        using var softmax = new SelfAttention(Channels, HeadCount, layers);
        using var generator = new Generator(6);
        module.StartFrom(softmax, generator);
        using var quiet = no_grad();
        foreach (TorchSharp.Modules.Parameter parameter in module.parameters()) parameter.add_(randn(parameter.shape, generator: generator) * 0.2f);
        return module;
    }
}
