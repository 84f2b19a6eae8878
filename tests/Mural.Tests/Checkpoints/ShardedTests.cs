using Mural.Checkpoints;
using Mural.Layers.Clip;

namespace Mural.Tests.Checkpoints;

public sealed class ShardedTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ShardsReadAsOneCheckpoint()
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> tensors = Tensors();
        string index = ShardedWriter.Save(_folder.At("model.safetensors"), tensors, 110, new Dictionary<string, string> { ["made by"] = "a test" });
        Assert.Equal(_folder.At("model.safetensors.index.json"), index);
        Assert.Equal(["model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors", "model.safetensors.index.json"], _folder.Names);
        foreach (string path in new[] { index, _folder.Path })
        {
            using ITensorSource source = Checkpoint.Open(path);
            Assert.Equal(3, Assert.IsType<ShardedSafetensors>(source).Shards.Count);
            Assert.Equal("a test", source.Metadata["made by"]);
            Assert.Equal(tensors.Keys.Order(StringComparer.Ordinal), source.Tensors.Keys.Order(StringComparer.Ordinal));
            foreach ((string name, Tensor tensor) in tensors) Assert.True(source.Read(name).equal(tensor).all().item<bool>());
            Assert.Throws<MuralException>(() => source.Read("missing"));
        }
    }

    [Fact]
    public void ShardsMayBePyTorchsFiles()
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> tensors = Tensors();
        string[][] parts = [["small", "scalar"], ["large", "transposed", "last"]];
        var files = new Dictionary<string, string>();
        for (int i = 0; i < parts.Length; i++)
        {
            string name = $"pytorch_model-{i + 1:D5}-of-00002.bin", plain = _folder.At("plain.safetensors");
            SafetensorsWriter.Save(plain, parts[i].ToDictionary(part => part, part => tensors[part]));
            using (SafetensorsFile file = SafetensorsFile.Open(plain)) TorchWriter.Save(_folder.At(name), file);
            File.Delete(plain);
            foreach (string part in parts[i]) files.Add(part, name);
        }
        string index = _folder.Write("pytorch_model.bin.index.json", ShardIndex.Write(files, 0));
        // Another program's export of the same network lies beside.
        _folder.Write("model.onnx", [1]);
        foreach (Func<ITensorSource> open in new Func<ITensorSource>[]
        {
            () => Checkpoint.Open(index), () => Checkpoint.Open(_folder.Path), () => ClipFiles.OpenWeights(_folder.Path, null)
        })
        {
            using ITensorSource source = open();
            Assert.Equal((index, "sharded PyTorch"), (source.Path, source.Format));
            Assert.Equal(tensors.Keys.Order(StringComparer.Ordinal), source.Tensors.Keys.Order(StringComparer.Ordinal));
            foreach ((string name, Tensor tensor) in tensors) Assert.True(source.Read(name).equal(tensor).all().item<bool>());
        }
        string endless = _folder.Write("endless.bin.index.json", ShardIndex.Write(new Dictionary<string, string> { ["a"] = "endless.bin.index.json" }, 0));
        Assert.Throws<MuralException>(() => Checkpoint.Open(endless));
    }

    [Fact]
    public void OneFileIsWrittenWhereThatIsEnoughAndSourcesAreCopied()
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> tensors = Tensors();
        string index = ShardedWriter.Save(_folder.At("model.safetensors"), tensors, 110);
        using ITensorSource sharded = Checkpoint.Open(index);
        string single = _folder.At("single/again.safetensors");
        Assert.Equal(single, ShardedWriter.Save(single, sharded, long.MaxValue, type: ScalarType.Float16));
        using ITensorSource copy = Checkpoint.Open(Path.GetDirectoryName(single)!);
        Assert.Equal(["format"], copy.Metadata.Keys);
        foreach ((string name, Tensor tensor) in tensors) Assert.True(copy.Read(name).equal(tensor.to(ScalarType.Float16)).all().item<bool>());
        Assert.Throws<MuralException>(() => ShardedWriter.Save(single, tensors, 0));
    }

    [Fact]
    public void WhatAnEarlierSaveLeftIsNotTakenForAPartOfThisOne()
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> tensors = Tensors();
        string single = _folder.At("model.safetensors"), index = _folder.At("model.safetensors.index.json");
        string[] others = ["model-00001-of-00009.safetensors", "model-extra.safetensors", "model.fp16.safetensors"];
        foreach (string other in others) File.WriteAllText(_folder.At(other), "mine");
        Assert.Equal(single, ShardedWriter.Save(single, tensors, long.MaxValue));
        Assert.Equal([single], ShardedWriter.FormsOf(single));
        Assert.Equal(index, ShardedWriter.Save(single, tensors, 110));
        Assert.Equal(4, ShardedWriter.FormsOf(single).Count);
        // Fewer shards than before.
        Assert.Equal(index, ShardedWriter.Save(single, tensors, 200));
        Assert.Equal(["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"], _folder.Names.Except(others));
        using (ITensorSource source = Checkpoint.Open(index)) Assert.Equal(tensors.Count, source.Tensors.Count);
        Assert.Equal(single, ShardedWriter.Save(single, tensors, long.MaxValue));
        Assert.Equal(["model.safetensors"], _folder.Names.Except(others));
        // A broken index names nothing.
        File.WriteAllText(index, "{");
        Assert.Equal(single, ShardedWriter.Save(single, tensors, long.MaxValue));
        Assert.Equal(others.Append("model.safetensors").Order(StringComparer.Ordinal), _folder.Names);
    }

    [Fact]
    public void AFailingSaveLeavesNoShardBehind()
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> tensors = Tensors();
        tensors["zz"] = full(40, 1e9);
        Assert.Throws<MuralException>(() => ShardedWriter.Save(_folder.At("model.safetensors"), tensors, 100, type: ScalarType.Float16));
        Assert.Empty(_folder.Names);
    }

    [Theory]
    [InlineData("[]", "not a JSON object")]
    [InlineData("{", "JSON is broken")]
    [InlineData("{} {}", "JSON is broken")]
    [InlineData("{}", "no weight_map")]
    [InlineData("{\"weight_map\": []}", "not an object")]
    [InlineData("{\"weight_map\": {}, \"weight_map\": {}}", "weight_map twice")]
    [InlineData("{\"weight_map\": {\"a\": 1}}", "is not text")]
    [InlineData("{\"weight_map\": {\"a\": \"x\", \"a\": \"x\"}}", "'a' twice")]
    [InlineData("{\"weight_map\": {\"a\": \"../x.safetensors\"}}", "not a plain file name")]
    [InlineData("{\"weight_map\": {\"a\": \"/etc/passwd\"}}", "not a plain file name")]
    [InlineData("{\"weight_map\": {\"a\": \"..\\\\x\"}}", "not a plain file name")]
    [InlineData("{\"weight_map\": {\"a\": \"..\"}}", "not a plain file name")]
    [InlineData("{\"weight_map\": {\"a\": \"absent.safetensors\"}}", "'absent.safetensors'")]
    public void ABrokenIndexIsRefused(string json, string message)
    {
        string path = _folder.At("m.safetensors.index.json");
        File.WriteAllText(path, json);
        Assert.Contains(message, Assert.Throws<MuralException>(() => ShardedSafetensors.Open(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnIndexThatContradictsItsShardsIsRefused()
    {
        using var scope = NewDisposeScope();
        string index = _folder.At("m.safetensors.index.json");
        SafetensorsWriter.Save(_folder.At("one.safetensors"), new Dictionary<string, Tensor> { ["a"] = ones(1), ["b"] = ones(1) });
        File.WriteAllText(index, "{\"weight_map\": {\"a\": \"one.safetensors\"}}");
        Assert.Contains("does not say", Assert.Throws<MuralException>(() => ShardedSafetensors.Open(index)).Message, StringComparison.Ordinal);
        File.WriteAllText(index, "{\"weight_map\": {\"a\": \"one.safetensors\", \"b\": \"one.safetensors\", \"c\": \"one.safetensors\"}}");
        Assert.Contains("'c', but it does not", Assert.Throws<MuralException>(() => ShardedSafetensors.Open(index)).Message, StringComparison.Ordinal);
        File.WriteAllText(index, "{\"weight_map\": {\"a\": \"one.safetensors\", \"b\": \"one.safetensors\"}}");
        ShardedSafetensors.Open(index).Dispose();
    }

    private static Dictionary<string, Tensor> Tensors() => new()
    {
        ["small"] = randn(5),
        ["scalar"] = tensor(2f),
        ["large"] = randn(40),
        ["transposed"] = randn(7, 3).t(),
        ["last"] = randn(6),
    };
}
