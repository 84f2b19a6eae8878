using Mural.Layers;
using Mural.Runtime;
using Mural.UNet;
using static Mural.Tests.Autoencoders.TinyAutoencoders;
using static Mural.Tests.UNet.TinyUNets;

namespace Mural.Tests.UNet;

[Trait("Area", "control")]
public class ControlNetModelTests
{
    private static readonly ControlNetConfig Config = new() { Network = Plain, EmbeddingChannels = [4, 6, 8, 8] };

    [Theory]
    [InlineData(768, 361_279_120)]
    [InlineData(1024, 364_228_240)]
    public void StableDiffusionHasItsParameterCount(int contextWidth, long parameters)
    {
        var config = new ControlNetConfig { Network = new UNetConfig { CrossAttentionWidth = contextWidth, UseLinearProjection = contextWidth == 1024 } };
        using var network = new ControlNetModel(config, new LayerFactory(ScalarType.Float32, Initialize: false, META));
        TorchSharp.Modules.Parameter[] all = [.. network.parameters()];
        Assert.Equal((340, parameters), (all.Length, all.Sum(parameter => parameter.numel())));
    }

    [Fact]
    public void GuessModeScalesFromATenthToOne()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using ControlNetModel network = Network(Config);
        ControlResiduals plain = Run(network, 2, guess: false), guess = Run(network, 2, guess: true);
        int count = plain.Down.Count;
        for (int i = 0; i < count; i++) Assert.InRange(Distance(guess.Down[i], plain.Down[i] * Math.Pow(10, -1 + (double)i / count)), 0, 1e-6);
        Assert.InRange(Distance(guess.Mid, plain.Mid), 0, 1e-6);
        Assert.InRange(Distance(Run(network, 1, guess: false).Mid * 2, plain.Mid), 0, 1e-6);
    }

    [Fact]
    public void PoolingAveragesEachResidualAndLeavesGuessModeFlat()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using ControlNetModel network = Network(Config), pooling = Network(Config with { GlobalPooling = true });
        ControlResiduals plain = Run(network, 1, guess: false), pooled = Run(pooling, 1, guess: true);
        foreach ((Tensor map, Tensor average) in plain.Down.Zip(pooled.Down).Append((plain.Mid, pooled.Mid)))
            Assert.InRange(Distance(average, map.mean([2, 3], keepdim: true).expand_as(map)), 0, 1e-5);
    }

    [Fact]
    public void ChannelsAreReversedWhereTheConfigSaysSo()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using ControlNetModel network = Network(Config), reversed = Network(Config with { ReverseChannels = true });
        using PreparedPrompt prompt = network.Prepare(Conditioning(Plain));
        Tensor picture = Picture();
        Assert.Equal(0, Distance(reversed.EmbedPicture(picture.flip(1), prompt), network.EmbedPicture(picture, prompt)));
        Assert.NotEqual(0, Distance(reversed.EmbedPicture(picture, prompt), network.EmbedPicture(picture, prompt)));
    }

    [Fact]
    public void SumAndZerosKeepTheirParts()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using ControlNetModel network = Network(Config);
        ControlResiduals one = Run(network, 1, guess: false), two = Run(network, 0.5, guess: true), sum = ControlResiduals.Sum([one, two]);
        for (int i = 0; i < one.Down.Count; i++) Assert.InRange(Distance(sum.Down[i], one.Down[i] + two.Down[i]), 0, 1e-6);
        Assert.InRange(Distance(sum.Mid, one.Mid + two.Mid), 0, 1e-6);
        ControlResiduals padded = one.AfterZeros(3);
        Assert.Equal(0, padded.Mid[..3].abs().sum().item<float>());
        Assert.Equal(0, Distance(padded.Mid[3..], one.Mid));
        Assert.All(padded.Down, residual => Assert.Equal(5, residual.shape[0]));
    }

    [Theory]
    [InlineData(KernelSet.Mural)]
    [InlineData(KernelSet.Libtorch)]
    public void FrozenEqualsUnfrozen(KernelSet kernels)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using ControlNetModel network = Network(Config), frozen = Network(Config);
        frozen.PrepareForInference(kernels, ScalarType.Float32);
        ControlResiduals expected = Run(network, 1, guess: false), actual = Run(frozen, 1, guess: false);
        for (int i = 0; i < expected.Down.Count; i++) Assert.InRange(Distance(actual.Down[i], expected.Down[i]), 0, 1e-5);
        Assert.InRange(Distance(actual.Mid, expected.Mid), 0, 1e-5);
    }

    [Fact]
    public void SavedFolderIsTheSame()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var folder = new TemporaryFolder();
        using ControlNetModel network = Network(Config with { ReverseChannels = true, GlobalPooling = true });
        network.Save(folder.Path);
        using ControlNetModel loaded = ControlNetModel.FromFolder(folder.Path);
        Assert.Equal(network.Config.ToJson(), loaded.Config.ToJson());
        Assert.Equal(0, Distance(Run(loaded, 1, guess: false).Mid, Run(network, 1, guess: false).Mid));
    }

    [Fact]
    public void NoTensorIsLeftBehind()
    {
        using var noGrad = no_grad();
        using ControlNetModel network = Network(Config);
        using Tensor latents = Latents(Plain, 5, 4), times = Times(9), picture = Picture();
        UNetConditioning conditioning = Conditioning(Plain);
        LiveTensors.AssertFlat(() =>
        {
            using PreparedPrompt prompt = network.Prepare(conditioning);
            using Tensor embedded = network.EmbedPicture(picture, prompt);
            using ControlResiduals residuals = network.Forward(latents, times, prompt, embedded, 0.5),
                sum = ControlResiduals.Sum([residuals, residuals]), padded = sum.AfterZeros(1);
        });
        conditioning.Text.Dispose();
    }

    [Fact]
    public void WrongInputsAreExplained()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using ControlNetModel network = Network(Config);
        using PreparedPrompt prompt = network.Prepare(Conditioning(Plain));
        Tensor latents = Latents(Plain, 5, 4), picture = network.EmbedPicture(Picture(), prompt);
        ControlResiduals residuals = Run(network, 1, guess: false);
        foreach (Action action in new Action[]
        {
            () => network.EmbedPicture(ones(2, 4, 40, 32), prompt), () => network.EmbedPicture(ones(2, 3, 41, 32), prompt), () => network.EmbedPicture(ones(2, 3, 0, 32), prompt),
            () => network.Forward(latents, Times(1), prompt, picture[.., .., ..4]), () => network.Forward(latents, Times(1), prompt, picture, double.NaN),
            () => network.Forward(latents[.., ..2], Times(1), prompt, picture), () => ControlResiduals.Sum([]),
            () => ControlResiduals.Sum([residuals, new ControlResiduals(residuals.Down.Skip(1), residuals.Mid)]),
        })
        {
            AssertOneSentence(Assert.Throws<MuralException>(action).Message);
        }
    }

    [Theory]
    [InlineData("{\"_class_name\": \"UNet2DConditionModel\"}")]
    [InlineData("{\"controlnet_conditioning_channel_order\": \"gbr\"}")]
    [InlineData("{\"conditioning_embedding_out_channels\": []}")]
    [InlineData("{\"conditioning_channels\": 0}")]
    [InlineData("{\"class_embed_type\": \"timestep\"}")]
    public void WrongConfigIsOneSentence(string json)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("config.json"), json);
        AssertOneSentence(Assert.Throws<MuralException>(() => ControlNetConfig.Read(folder.Path)).Message);
    }

    [Theory]
    [InlineData("{\"_class_name\": \"ControlNetUnionModel\"}")]
    [InlineData("{\"_class_name\": \"ControlNetModel\", \"num_control_type\": 6}")]
    public void AUnionIsNamed(string json)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("config.json"), json);
        string message = Assert.Throws<MuralException>(() => ControlNetConfig.Read(folder.Path)).Message;
        AssertOneSentence(message);
        Assert.Contains("holds a ControlNet-Union", message, StringComparison.Ordinal);
    }

    private static ControlNetModel Network(ControlNetConfig config)
    {
        manual_seed(5);
        return new ControlNetModel(config);
    }

    private static Tensor Picture()
    {
        using var generator = new Generator(3);
        return rand([2, 3, 40, 32], generator: generator);
    }

    private static ControlResiduals Run(ControlNetModel network, double scale, bool guess)
    {
        using PreparedPrompt prompt = network.Prepare(Conditioning(Plain));
        return network.Forward(Latents(Plain, 5, 4), Times(501), prompt, network.EmbedPicture(Picture(), prompt), scale, guess);
    }
}
