using System.Globalization;
using System.Text.RegularExpressions;
using Mural.Checkpoints;
using Mural.Checkpoints.SingleFile;
using Mural.Checkpoints.StableDiffusion;
using Mural.Layers;
using Mural.Tests.Checkpoints.StableDiffusion;
using Mural.Tests.Goldens;
using Mural.UNet;

namespace Mural.Tests.Checkpoints.SingleFile;

/// <summary>ControlNets in one file: of the original layout, with and without its prefix or the whole model beside it, and of diffusers' names.</summary>
[Trait("Area", "single-file")]
public sealed partial class ControlNetFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>Tables of published models whose UNet a ControlNet copies.</summary>
    public static TheoryData<string> Published =>
        SingleFileTable.Names(table => table.Shapes is not null && table.UNetConfig is not null && table.Shapes.ContainsKey("text_encoder"));

    public static TheoryData<string, string> Tiny => new() { { "tiny-controlnet-sd15", "tiny-sd15" }, { "tiny-controlnet-sdxl", "tiny-sdxl" } };

    public void Dispose() => _folder.Dispose();

    [GoldenTheory, MemberData(nameof(Published))]
    public void APublishedArchitectureIsToldFromShapes(string name)
    {
        SingleFileTable table = SingleFileTable.Open(name);
        UNetConfig unet = UNetConfigJson.Parse(table.UNetConfig!.ToJsonString(), name);
        using var expected = new ControlNetModel(new ControlNetConfig { Network = unet }, new LayerFactory(ScalarType.Float32, Initialize: false, META));
        Dictionary<string, long[]> shapes = ModuleWeights.Places(expected).ToDictionary(place => place.Key, place => place.Value.shape);
        foreach (string prefix in (string[])["control_model.", "", "diffusers"])
        {
            bool original = prefix != "diffusers";
            using ComponentSource tensors = ControlNetFile.Tensors(
                new ShapeSource(shapes.Select(shape => (original ? prefix + Original(shape.Key, shapes.Keys) : shape.Key, shape.Value))));
            Assert.Equal(shapes.Keys.Order(StringComparer.Ordinal), tensors.Tensors.Keys.Order(StringComparer.Ordinal));
            Assert.All(shapes, shape => Assert.Equal(shape.Value, tensors.Tensors[shape.Key].Shape));
            ControlNetConfig config = ControlNetFile.Config(tensors, unet);
            Assert.Equal((expected.Config with { Network = expected.Config.Network with { UpBlockAttention = config.Network.UpBlockAttention } }).ToJson(), config.ToJson());
        }
    }

    [GoldenTheory, MemberData(nameof(Tiny))]
    public void EveryFileIsTheFoldersNetwork(string name, string model)
    {
        using var scope = NewDisposeScope();
        string folder = GoldenCase.Model(name);
        UNetConfig unet = UNetConfig.Read(Path.Combine(GoldenCase.Model(model), "unet"));
        using ControlNetModel expected = ControlNetModel.FromFolder(folder);
        Dictionary<string, Tensor> own = ModuleWeights.Places(expected), original = own.ToDictionary(place => Original(place.Key, own.Keys), place => place.Value);
        Dictionary<string, Tensor> prefixed = original.ToDictionary(place => "control_model." + place.Key, place => place.Value), whole = new(prefixed);
        // The model that it was trained with, as in the first releases.
        using StableDiffusionCheckpoint checkpoint = StableDiffusionCheckpoint.Open(GoldenCase.Model(model));
        using (var beside = new OriginalSource(model, checkpoint.Family, checkpoint.Components.ToDictionary(pair => pair.Key, pair => pair.Value.Weights)))
            foreach (string tensor in beside.Tensors.Keys) whole.Add(tensor, beside.Read(tensor));
        SafetensorsWriter.Save(_folder.At("prefixed.safetensors"), prefixed);
        SafetensorsWriter.Save(_folder.At("plain.safetensors"), original);
        SafetensorsWriter.Save(_folder.At("whole.safetensors"), whole);
        SafetensorsWriter.Save(_folder.At("diffusers.safetensors"), own);
        using (SafetensorsFile prefixedFile = SafetensorsFile.Open(_folder.At("prefixed.safetensors"))) TorchWriter.Save(_folder.At("prefixed.pth"), prefixedFile);
        foreach (string file in (string[])["prefixed.safetensors", "plain.safetensors", "whole.safetensors", "diffusers.safetensors", "prefixed.pth"])
        {
            using ControlNetModel actual = ControlNetModel.FromFile(_folder.At(file), unet);
            TinyModels.AssertSame(expected, actual);
            Assert.Equal(expected.Config.EmbeddingChannels, actual.Config.EmbeddingChannels);
            Assert.Equal(expected.Config.Network.AttentionHeads, actual.Config.Network.AttentionHeads);
            Assert.Equal(
                (expected.Config.Network.CrossAttentionWidth, expected.Config.Network.AddedEmbeddingWidth),
                (actual.Config.Network.CrossAttentionWidth, actual.Config.Network.AddedEmbeddingWidth));
            Assert.False(actual.Config.GlobalPooling);
        }
        using (ControlNetModel half = ControlNetModel.FromFile(_folder.At("prefixed.safetensors"), unet, ScalarType.BFloat16))
            Assert.Equal(bfloat16, ModuleWeights.Places(half)["conv_in.weight"].dtype);
    }

    [Theory]
    [InlineData("model:\n  params:\n    global_average_pooling: True\n", true)]
    [InlineData("model:\n  params:\n    global_average_pooling: False\n", false)]
    [InlineData("# global_average_pooling: True is for shuffle\n", false)]
    public void SettingsBesideTheFileTellWhetherResidualsAreAveraged(string settings, bool pools)
    {
        File.Copy(Path.Combine(GoldenCase.Model("tiny-controlnet-sd15"), "diffusion_pytorch_model.safetensors"), _folder.At("shuffle.safetensors"));
        File.WriteAllText(_folder.At("shuffle.yaml"), settings);
        using ControlNetModel network = ControlNetModel.FromFile(_folder.At("shuffle.safetensors"), UNetConfig.Read(Path.Combine(GoldenCase.Model("tiny-sd15"), "unet")));
        Assert.Equal(pools, network.Config.GlobalPooling);
    }

    [Theory]
    [InlineData("control_v11e_sd15_shuffle", null, true)]
    [InlineData("control_v11e_sd15_shuffle_fp16", null, true)]
    [InlineData("control_v11e_sd15_shuffle", "global_average_pooling: False\n", false)]
    [InlineData("control_v11p_sd15_canny", null, false)]
    public void WithoutSettingsTheNameThatShuffleIsPublishedUnderTellsIt(string name, string? settings, bool pools)
    {
        File.Copy(Path.Combine(GoldenCase.Model("tiny-controlnet-sd15"), "diffusion_pytorch_model.safetensors"), _folder.At(name + ".safetensors"));
        if (settings is not null) File.WriteAllText(_folder.At(name + ".yaml"), settings);
        using ControlNetModel network = ControlNetModel.FromFile(_folder.At(name + ".safetensors"), UNetConfig.Read(Path.Combine(GoldenCase.Model("tiny-sd15"), "unet")));
        Assert.Equal(pools, network.Config.GlobalPooling);
    }

    [Fact]
    public void ASmallOneIsNamed()
    {
        string[] blocks = ["controlnet_cond_embedding.conv_in", "down_blocks.0.resnets.0.conv1", "down_blocks.1.resnets.0.conv1", "mid_block.resnets.0.conv1"];
        using ComponentSource tensors = ControlNetFile.Tensors(new ShapeSource(blocks.Select(block => (block + ".weight", new long[] { 32, 32, 3, 3 }))));
        Assert.Contains("does not attend in its middle", Assert.Throws<MuralException>(() => ControlNetFile.Config(tensors, new UNetConfig())).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lora_controlnet", "a Control-LoRA")]
    [InlineData("lllite_unet_down.weight", "a ControlNet-LLLite")]
    [InlineData("task_embedding", "a ControlNet-Union")]
    [InlineData("adapter.body.0.weight", "a T2I-Adapter")]
    [InlineData("body.0.block1.weight", "a T2I-Adapter")]
    [InlineData("body.2.in_conv.weight", "a T2I-Adapter")]
    [InlineData("body.0.body.0.block1.weight", "a T2I-Adapter")]
    [InlineData("difference", "only what a ControlNet differs from its model by")]
    [InlineData("control_model.difference", "only what a ControlNet differs from its model by")]
    [InlineData("model.diffusion_model.input_blocks.0.0.weight", "holds no ControlNet")]
    [InlineData("control_model.input_hint_block.0.weight", "lacks the tensor")]
    [InlineData("controlnet_cond_embedding.conv_in.weight", "lacks the tensor")]
    public void WhatIsNoneIsNamed(string tensor, string reason)
    {
        string message = Assert.Throws<MuralException>(() => ControlNetFile.Config(ControlNetFile.Tensors(new ShapeSource([(tensor, [1, 1])])), new UNetConfig())).Message;
        Assert.Contains(reason, message, StringComparison.Ordinal);
        Assert.EndsWith(".", message, StringComparison.Ordinal);
    }

    // The original name, by a way of its own: what the released files have (spec 7.1).
    private static string Original(string name, IEnumerable<string> all)
    {
        if (HintConvolution().Match(name) is { Success: true } hint)
        {
            int last = all.Count(other => other.StartsWith("controlnet_cond_embedding.blocks.", StringComparison.Ordinal)
                && other.EndsWith(".weight", StringComparison.Ordinal)) + 1;
            int layer = hint.Groups[1].Value switch { "conv_in" => 0, "conv_out" => last, string block => int.Parse(block["blocks.".Length..], CultureInfo.InvariantCulture) + 1 };
            return $"input_hint_block.{2 * layer}.{hint.Groups[2].Value}";
        }
        if (name.StartsWith("controlnet_down_blocks.", StringComparison.Ordinal)) return Regex.Replace(name, @"^controlnet_down_blocks\.(\d+)\.", "zero_convs.$1.0.");
        if (name.StartsWith("controlnet_mid_block.", StringComparison.Ordinal)) return name.Replace("controlnet_mid_block.", "middle_block_out.0.", StringComparison.Ordinal);
        return UNetNames.OfDiffusers(all).ToOriginal(name)!;
    }

    [GeneratedRegex(@"^controlnet_cond_embedding\.(conv_in|conv_out|blocks\.\d+)\.(.+)$")]
    private static partial Regex HintConvolution();
}
