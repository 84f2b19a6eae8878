using System.Text.Json.Nodes;
using Mural.Layers;
using Mural.Runtime;
using Mural.Text;
using Mural.Training;

namespace Mural.Tests.Training;

/// <summary>The folder that the training of a UNet writes and begins from, without a training.</summary>
public sealed class UNetResultTests : IDisposable
{
    private static readonly ClipVocabulary Bytes = ClipVocabulary.FromMerges([]);

    private readonly TrainingFolder _folder = new();

    private string Result => _folder.At("run/result");

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("model.block_out_channels", "[8, 24]", "has block_out_channels [8,16], but the setting 'model.block_out_channels' makes it [8,24]")]
    [InlineData("model.head_channels", "8", "has attention_head_dim [2,4], but the setting 'model.head_channels' makes it [1,2]")]
    [InlineData("model.norm_num_groups", "2", "has norm_num_groups 4, but the setting 'model.norm_num_groups' makes it 2")]
    [InlineData("text.heads", "4", "has num_attention_heads 2, but the setting 'text.heads' makes it 4")]
    [InlineData("text.max_length", "9", "has max_position_embeddings 8, but the setting 'text.max_length' makes it 9")]
    [InlineData("prediction", "\"epsilon\"", "predicts v_prediction, but the setting 'prediction' is epsilon")]
    public void WeightsOfOtherNetworksAreRefusedWhateverTheirShapes(string key, string value, string expected)
    {
        UNetTrainingConfig config = Settings(), other = Settings((key, JsonNode.Parse(value)));
        using TextToImageNetwork network = Network(config), begun = Network(other);
        UNetResult.Write(Result, network, Bytes, config, CancellationToken.None);
        UNetResult.ReadWeights(Result, network, config.Prediction);
        MuralException problem = Assert.Throws<MuralException>(() => UNetResult.ReadWeights(Result, begun, other.Prediction));
        Assert.Contains(expected, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AResultIsReplacedAsAWhole()
    {
        using var quiet = no_grad();
        UNetTrainingConfig config = Settings();
        using TextToImageNetwork first = Network(config), second = Network(config);
        byte[] Written(TextToImageNetwork network)
        {
            UNetResult.Write(Result, network, Bytes, config, CancellationToken.None);
            return UNet();
        }

        byte[] before = Written(first), after = Written(second);
        Assert.NotEqual(before, after);
        // Its text encoder cannot be written, which comes after the UNet.
        first.TextEncoder.PrepareForInference(KernelSet.Libtorch, float32);
        Assert.Throws<MuralException>(() => Written(first));
        Assert.Equal(after, UNet());
        Assert.Equal(["result"], Directory.GetDirectories(_folder.At("run")).Select(Path.GetFileName));
    }

    [Fact]
    public void WhatAKilledRunLeftOfAResultIsRemoved()
    {
        string left = _folder.At("run/.result.abcdefgh.ijk.tmp"), other = _folder.At("run/.results.tmp");
        Directory.CreateDirectory(Path.Combine(left, "unet"));
        Directory.CreateDirectory(other);
        RunFolder.Take(_folder.At("run")).Dispose();
        Assert.Equal([other], Directory.GetDirectories(_folder.At("run")));
    }

    [Fact]
    public void TheTextEncodersConfigTellsTheTokenizersIds()
    {
        UNetTrainingConfig config = Settings();
        using TextToImageNetwork network = Network(config);
        UNetResult.Write(Result, network, Bytes, config, CancellationToken.None);
        string folder = Path.Combine(Result, "text_encoder");
        JsonNode json = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!;
        Assert.Equal((512, 513, 513), (json["bos_token_id"]!.GetValue<int>(), json["eos_token_id"]!.GetValue<int>(), json["pad_token_id"]!.GetValue<int>()));
        Assert.Equal(network.TextEncoder.Config, ClipTextConfig.Read(folder));
        // Where nobody said them there are none.
        Assert.DoesNotContain("bos_token_id", ClipTextConfig.VitL.ToJson(), StringComparison.Ordinal);
        Assert.DoesNotContain("pad_token_id", ClipTextConfig.VitL.ToJson(), StringComparison.Ordinal);
    }

    private static TextToImageNetwork Network(UNetTrainingConfig config) => new(
        config.Model.ToUNetConfig(latentChannels: 4, side: 4, config.Text.Width),
        config.Text.ToClipTextConfig(new ClipTokenizer(Bytes, windowLength: config.Text.MaxLength)),
        new LayerFactory(float32, Initialize: true));

    private UNetTrainingConfig Settings(params (string Key, JsonNode? Value)[] changes) => (UNetTrainingConfig)_folder.Settings(TrainingFolder.Captions, changes);

    private byte[] UNet() => File.ReadAllBytes(Path.Combine(Result, "unet", "diffusion_pytorch_model.safetensors"));
}
