using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.DiM;
using Mural.Tests.Goldens;
using TorchSharp.Modules;

namespace Mural.Tests.DiM;

public sealed class DiMCheckpointTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mural-dim-").FullName;

    public static TheoryData<string> ToStrong => GoldenCase.Names("dim", golden => golden.Has("out.additional_embed"));

    // Checkpoints as the official trainer writes them, listed with the sizes of their model.
    public static TheoryData<string, string> TorchFiles => GoldenTorchFile.Names(entry => entry["config"] is not null);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [GoldenTheory, MemberData(nameof(ToStrong)), Trait("Area", "dim")]
    public void WeightsMoveToALargerGrid(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("dim", name);
        TokenGrid grid = GoldenModels.Grid(golden);
        using DiMModel weak = GoldenModels.Load(golden), strong = GoldenModels.Load(golden, grid);
        Dictionary<string, Parameter> before = weak.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter);
        foreach ((string key, Parameter parameter) in strong.named_parameters())
        {
            if (key == "additional_embed") golden.AssertMatches("out.additional_embed", parameter);
            else Assert.True(parameter.equal(before[key]).all().item<bool>(), key);
        }
        void Observe(string place, Tensor stream)
        {
            if (place != "sequence" || !golden.Has("mid.sequence_tail")) return;
            long tail = golden.Tensors["mid.sequence_tail"].Shape[1];
            golden.AssertMatches("mid.sequence_tail", stream.narrow(1, stream.shape[1] - tail, tail));
        }
        golden.AssertMatches("out.eps", strong.Forward(golden.Get("in.x"), golden.Get("in.t"), GoldenModels.Labels(golden), new DiMForwardOptions { Observe = Observe }));
    }

    [Theory]
    [InlineData(SkipForm.TwoLinears)]
    [InlineData(SkipForm.Concatenated)]
    public void SavedModelsComeBackUnchanged(SkipForm form)
    {
        using var scope = NewDisposeScope();
        string path = Path.Combine(_folder, "model.safetensors");
        using DiMModel model = TinyNetwork.Random(TinyNetwork.SmallConfig with { SkipForm = form });
        model.Save(path);
        using ITensorSource source = SafetensorsFile.Open(path);
        using DiMModel loaded = DiMModel.Load(source);
        Assert.Equal(model.Config, loaded.Config);
        foreach (((string name, Parameter saved), (string loadedName, Parameter read)) in model.named_parameters().Zip(loaded.named_parameters()))
        {
            Assert.Equal(name, loadedName);
            Assert.True(saved.equal(read).all().item<bool>(), name);
        }
    }

    [GoldenTheory, MemberData(nameof(TorchFiles)), Trait("Area", "dim")]
    public void TorchFilesLoadAsTheirModel(string list, string name)
    {
        using var scope = NewDisposeScope();
        GoldenTorchFile file = GoldenTorchFile.Open(list, name);
        JsonNode config = file.About["config"]!;
        using ITensorSource source = Checkpoint.Open(file.Path);
        using SafetensorsFile contents = SafetensorsFile.Open(file.Contents!);
        using DiMModel model = DiMModel.Load(source);
        Assert.Equal(
            (config["width"]!.GetValue<int>(), config["blocks"]!.GetValue<int>(), config["in_channels"]!.GetValue<int>(),
                config["num_classes"]!.GetValue<int>(), config["sample_size"]!.GetValue<int>()),
            (model.Config.Width, model.Config.Blocks, model.Config.InChannels, model.Config.Classes, model.Config.SampleSize));
        foreach ((string key, Parameter parameter) in model.named_parameters()) Assert.True(parameter.equal(contents.Read(key, ScalarType.Float32)).all().item<bool>(), key);
    }

    [Fact]
    public void SkipFormFollowsTheCheckpoint()
    {
        using var scope = NewDisposeScope();
        string path = Path.Combine(_folder, "model.safetensors");
        using DiMModel model = TinyNetwork.Random(TinyNetwork.SmallConfig with { SkipForm = SkipForm.Concatenated });
        model.Save(path);
        using ITensorSource source = SafetensorsFile.Open(path);
        using DiMModel loaded = DiMModel.Load(source, TinyNetwork.SmallConfig with { SkipForm = SkipForm.TwoLinears });
        Assert.Equal(SkipForm.Concatenated, loaded.Config.SkipForm);
    }

    [Fact]
    public void EverythingThatDoesNotFitIsNamed()
    {
        using var scope = NewDisposeScope();
        string path = Path.Combine(_folder, "broken.safetensors");
        using DiMModel model = TinyNetwork.Random(TinyNetwork.SmallConfig);
        Dictionary<string, Tensor> tensors = model.named_parameters().ToDictionary(entry => entry.name, entry => (Tensor)entry.parameter);
        tensors.Remove("transformer_blocks.1.attn1.D");
        tensors["surplus.weight"] = zeros(3);
        tensors["proj_out_2.bias"] = zeros(5);
        SafetensorsWriter.Save(path, tensors);
        using ITensorSource source = SafetensorsFile.Open(path);
        var mismatch = Assert.Throws<CheckpointMismatchException>(() => DiMModel.Load(source));
        Assert.Equal("transformer_blocks.1.attn1.D", Assert.Single(mismatch.Missing));
        Assert.Equal("surplus.weight", Assert.Single(mismatch.Unexpected));
        Assert.Contains("proj_out_2.bias", Assert.Single(mismatch.Misshapen));
    }

    [Fact]
    public void OtherModelsAreRefused()
    {
        using var scope = NewDisposeScope();
        string path = Path.Combine(_folder, "other.safetensors");
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["conv_in.weight"] = zeros(4, 4, 3, 3) });
        using ITensorSource source = SafetensorsFile.Open(path);
        Assert.Contains("is not a DiM", Assert.Throws<MuralException>(() => DiMModel.Load(source)).Message);
    }

    [Fact]
    public void TablesThatAreNoGridNeedAConfiguration()
    {
        using var scope = NewDisposeScope();
        string path = Path.Combine(_folder, "strip.safetensors");
        DiMConfig config = TinyNetwork.SmallConfig with { PositionGrid = new TokenGrid(1, 11) };
        using DiMModel model = TinyNetwork.Random(config);
        model.Save(path);
        using ITensorSource source = SafetensorsFile.Open(path);
        Assert.Contains("position_grid", Assert.Throws<MuralException>(() => DiMModel.Load(source)).Message);
        using DiMModel loaded = DiMModel.Load(source, config);
        Assert.Equal(config, loaded.Config);
    }
}
