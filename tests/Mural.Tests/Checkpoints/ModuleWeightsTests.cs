using Mural.Checkpoints;
using TorchSharp.Modules;

namespace Mural.Tests.Checkpoints;

public sealed class ModuleWeightsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static Sequential Model(long width = 4) => nn.Sequential(("proj", nn.Linear(3, width)), ("norm", nn.BatchNorm1d(width)));

    [Fact]
    public void WhatIsSavedIsLoadedIntoPlace()
    {
        using var scope = NewDisposeScope();
        using Sequential saved = Model(), loaded = Model();
        string path = _folder.At("m.safetensors");
        ModuleWeights.Save(saved, path);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Tensor place = loaded.get_parameter("proj.weight")!;
        ModuleWeights.Load(loaded, file);
        Assert.True(place.equal(saved.get_parameter("proj.weight")!).all().item<bool>());
        Assert.True(place.requires_grad);
        Assert.Contains("norm.running_mean", file.Tensors.Keys);
    }

    [Fact]
    public void EverythingThatDoesNotFitIsNamedAndNothingIsCopied()
    {
        using var scope = NewDisposeScope();
        using Sequential model = Model(), wider = Model(5);
        string path = _folder.At("m.safetensors");
        Dictionary<string, Tensor> state = wider.state_dict();
        state.Remove("norm.weight");
        state.Remove("norm.bias");
        state["extra"] = ones(1);
        SafetensorsWriter.Save(path, state);
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Tensor before = model.get_parameter("proj.weight")!.clone();
        var error = Assert.Throws<CheckpointMismatchException>(() => ModuleWeights.Load(model, file));
        Assert.Equal(["norm.bias", "norm.weight"], error.Missing.Order(StringComparer.Ordinal));
        Assert.Equal(["extra"], error.Unexpected);
        Assert.Equal(4, error.Misshapen.Count);
        foreach (string part in new[] { "norm.weight", "extra", "proj.weight is [5, 3] instead of [4, 3]" }) Assert.Contains(part, error.Message, StringComparison.Ordinal);
        Assert.True(before.equal(model.get_parameter("proj.weight")!).all().item<bool>());
    }

    [Fact]
    public void NamesCanBeMappedAndShapesAdapted()
    {
        using var scope = NewDisposeScope();
        using Linear model = nn.Linear(3, 4);
        string path = _folder.At("m.safetensors");
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["ema.weight"] = ones(2, 3), ["ema.bias"] = full(4, 2f), ["optimizer.step"] = ones(1) });
        using SafetensorsFile file = SafetensorsFile.Open(path);
        ModuleWeights.Load(
            model,
            file,
            name => name.StartsWith("ema.", StringComparison.Ordinal) ? name["ema.".Length..] : null,
            (name, stored, wanted) => name == "weight" && stored[1] == wanted[1] ? tensor => tensor.repeat(2, 1) : null);
        Assert.True((model.weight == 1).all().item<bool>());
        Assert.True((model.bias! == 2).all().item<bool>());
    }
}
