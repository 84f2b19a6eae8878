using Mural.Checkpoints;
using Mural.UNet;
using static Mural.Tests.Autoencoders.TinyAutoencoders;
using static Mural.Tests.UNet.TinyUNets;

namespace Mural.Tests.UNet;

/// <summary>Folders as people have them: shards, variants, older names (spec 1.1, 2.8).</summary>
[Trait("Area", "unet")]
public class UNetFilesTests
{
    private const string Weights = "diffusion_pytorch_model";

    public static TheoryData<string> Configs => [.. Variants.Keys];

    [Theory, MemberData(nameof(Configs))]
    public void SavedFolderIsTheSame(string name)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using UNet2DConditionModel network = Network(Variants[name]);
        network.Save(folder.Path);
        using UNet2DConditionModel loaded = UNet2DConditionModel.FromFolder(folder.Path);
        Assert.Equal(network.Config.ToJson(), loaded.Config.ToJson());
        AssertSameWeights(network, loaded);
    }

    [Theory]
    [InlineData("diffusion_pytorch_model.fp16.safetensors", null)]
    [InlineData("diffusion_pytorch_model.fp16.safetensors", "fp16")]
    [InlineData("diffusion_pytorch_model.non_ema.safetensors", null)]
    [InlineData("diffusion_pytorch_model.ours.safetensors", "ours")]
    [InlineData("diffusion_pytorch_model.safetensors", "fp16")]
    public void WeightsOfAVariantAreFound(string file, string? variant)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using UNet2DConditionModel network = Network();
        network.Save(folder.Path);
        if (file != Weights + ".safetensors") File.Move(folder.At(Weights + ".safetensors"), folder.At(file));
        using UNet2DConditionModel loaded = UNet2DConditionModel.FromFolder(folder.Path, variant: variant);
        AssertSameWeights(network, loaded);
    }

    [Fact]
    public void TheVariantAskedForWins()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using UNet2DConditionModel network = Network(), other = Network();
        using (no_grad()) foreach (TorchSharp.Modules.Parameter parameter in other.parameters()) parameter.add_(1);
        other.Save(folder.Path);
        File.Move(folder.At(Weights + ".safetensors"), folder.At(Weights + ".fp16.safetensors"));
        network.Save(folder.Path);
        using UNet2DConditionModel plain = UNet2DConditionModel.FromFolder(folder.Path), variant = UNet2DConditionModel.FromFolder(folder.Path, variant: "fp16");
        AssertSameWeights(network, plain);
        AssertSameWeights(other, variant);
    }

    [Theory]
    [InlineData("diffusion_pytorch_model.safetensors.index.json", null)]
    [InlineData("diffusion_pytorch_model.safetensors.index.fp16.json", "fp16")]
    [InlineData("diffusion_pytorch_model.safetensors.fp16.index.json", null)]
    public void ShardsAreRead(string index, string? variant)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using UNet2DConditionModel network = Network();
        network.Save(folder.Path);
        File.Delete(folder.At(Weights + ".safetensors"));
        string written = ShardedWriter.Save(folder.At(Weights + ".safetensors"), ModuleWeights.Places(network), 50_000);
        Assert.True(folder.Names.Length > 3);
        if (written != folder.At(index)) File.Move(written, folder.At(index));
        using UNet2DConditionModel loaded = UNet2DConditionModel.FromFolder(folder.Path, variant: variant);
        AssertSameWeights(network, loaded);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void OlderNamesAndShapesAreRead(bool linear)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using UNet2DConditionModel network = Network(Plain with { UseLinearProjection = linear });
        var stored = new Dictionary<string, Tensor>();
        foreach ((string name, Tensor weight) in ModuleWeights.Places(network))
        {
            string old = name.Replace(".to_out.0.", name.Contains("attn1") ? ".to_out." : ".proj_attn.");
            if (name.Contains("up_blocks")) old = old.Replace(".to_q.", ".query.").Replace(".to_k.", ".key.").Replace(".to_v.", ".value.");
            bool projection = name.EndsWith("proj_in.weight", StringComparison.Ordinal) || name.EndsWith("proj_out.weight", StringComparison.Ordinal);
            stored.Add(old, !projection ? weight : linear ? weight.unsqueeze(-1).unsqueeze(-1) : weight.squeeze(-1).squeeze(-1));
        }
        SafetensorsWriter.Save(folder.At("old.safetensors"), stored);
        using SafetensorsFile source = SafetensorsFile.Open(folder.At("old.safetensors"));
        using UNet2DConditionModel loaded = Network(network.Config);
        using (no_grad()) foreach (TorchSharp.Modules.Parameter parameter in loaded.parameters()) parameter.zero_();
        loaded.Load(source);
        AssertSameWeights(network, loaded);
    }

    [Fact]
    public void WrongFoldersAreExplained()
    {
        using var folder = new TemporaryFolder();
        AssertOneSentence(Assert.Throws<MuralException>(() => UNet2DConditionModel.FromFolder(folder.Path)).Message);
        File.WriteAllText(folder.At("config.json"), Plain.ToJson());
        AssertOneSentence(Assert.Throws<MuralException>(() => UNet2DConditionModel.FromFolder(folder.Path)).Message);
        using (UNet2DConditionModel other = Network(Sized)) other.Save(folder.Path);
        File.WriteAllText(folder.At("config.json"), Plain.ToJson());
        CheckpointMismatchException mismatch = Assert.Throws<CheckpointMismatchException>(() => UNet2DConditionModel.FromFolder(folder.Path));
        Assert.NotEmpty(mismatch.Unexpected);
        AssertOneSentence(mismatch.Message);
    }

    private static void AssertSameWeights(nn.Module expected, nn.Module actual)
    {
        Dictionary<string, Tensor> want = ModuleWeights.Places(expected), got = ModuleWeights.Places(actual);
        Assert.Equal(want.Keys, got.Keys);
        Assert.All(want, entry => Assert.True(entry.Value.equal(got[entry.Key]).all().item<bool>(), entry.Key));
    }
}
