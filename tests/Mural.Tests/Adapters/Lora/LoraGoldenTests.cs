using System.Text.Json.Nodes;
using Mural.Adapters.Lora;
using Mural.Checkpoints;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.Tests.UNet;
using Mural.Text;
using Mural.UNet;

namespace Mural.Tests.Adapters.Lora;

/// <summary>Models with LoRAs merged into them against the definition in float64. A case is recognised by files of LoRAs.</summary>
[Trait("Area", "adapters")]
public class LoraGoldenTests
{
    public static TheoryData<string, KernelSet?, ScalarType> Cases => UNetGoldens.CasesInAllWays("adapters", HoldsLoras);

    /// <summary>Those of the ways in which a model is made ready first.</summary>
    public static TheoryData<string, KernelSet?, ScalarType> Ready => [.. Cases.Where(row => row.Data.Item2 is not null)];

    public static TheoryData<string> Names => GoldenCase.Names("adapters", HoldsLoras);

    [GoldenTheory, MemberData(nameof(Cases))]
    public void MergedModelsMatchTheDefinition(string name, KernelSet? kernels, ScalarType type)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("adapters", name);
        using var model = LoraModel.Load(golden.ModelFolder);
        LoraModel.Apply(new LoraMerge(model.Components), golden, forGood: true);
        if (kernels is { } chosen) model.PrepareForInference(chosen, type);
        foreach ((string output, Tensor actual) in Outputs(model, golden, type)) UNetGoldens.Check(golden, output, actual, type);
    }

    [GoldenTheory, MemberData(nameof(Ready))]
    public void ModelsThatAreReadyGetTheirLorasAndLoseThemAgain(string name, KernelSet? kernels, ScalarType type)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("adapters", name);
        using LoraModel model = LoraModel.Load(golden.ModelFolder, type), other = LoraModel.Load(golden.ModelFolder, type);
        model.PrepareForInference(kernels!.Value, type);
        other.PrepareForInference(kernels.Value, type);
        Dictionary<string, Tensor> before = Outputs(model, golden, type);
        var merge = new LoraMerge(model.Components);
        LoraModel.Apply(merge, golden);
        Dictionary<string, Tensor> merged = Outputs(model, golden, type);
        foreach ((string output, Tensor actual) in merged) UNetGoldens.Check(golden, output, actual, type);
        Assert.Contains(merged, output => !output.Value.equal(before[output.Key]).all().item<bool>());
        // Exchanging LoRAs is the same as starting anew with the others.
        LoraModel.Apply(merge, golden, factor: 0.5);
        LoraModel.Apply(new LoraMerge(other.Components), golden, factor: 0.5, forGood: true);
        AssertSame(Outputs(other, golden, type), Outputs(model, golden, type));
        LoraModel.Apply(merge, golden);
        AssertSame(merged, Outputs(model, golden, type));
        merge.Apply();
        AssertSame(before, Outputs(model, golden, type));
    }

    private static Dictionary<string, Tensor> Outputs(LoraModel model, GoldenCase golden, ScalarType type)
    {
        using PreparedPrompt prompt = model.UNet.Prepare(UNetGoldens.Conditioning(golden, type));
        return golden.Tensors.Keys.Where(tensor => tensor.StartsWith("out.", StringComparison.Ordinal)).ToDictionary(
            output => output,
            output => output switch
            {
                "out.sample" => model.UNet.Forward(golden.Get("in.sample"), golden.Get("in.timestep"), prompt),
                "out.text" => model.Text[0].Encode(golden.Get("in.ids"), HiddenState.Last, pooled: false).Context,
                "out.text_1_penultimate" => model.Text[0].Encode(golden.Get("in.ids"), HiddenState.Penultimate, pooled: false).Context,
                "out.text_2_penultimate" => model.Text[1].Encode(golden.Get("in.ids_2"), HiddenState.Penultimate, pooled: false).Context,
                "out.text_2_pooled" => model.Text[1].Encode(golden.Get("in.ids_2"), HiddenState.Penultimate, pooled: true).Pooled!,
                _ => throw new InvalidDataException(output),
            });
    }

    private static void AssertSame(Dictionary<string, Tensor> expected, Dictionary<string, Tensor> actual)
    {
        foreach ((string output, Tensor tensor) in expected) Assert.True(tensor.equal(actual[output]).all().item<bool>(), output);
    }

    [GoldenTheory, MemberData(nameof(Names))]
    public void AModelWithoutItsLorasIsItselfAgain(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("adapters", name);
        using LoraModel model = LoraModel.Load(golden.ModelFolder), untouched = LoraModel.Load(golden.ModelFolder);
        var merge = new LoraMerge(model.Components);
        LoraModel.Apply(merge, golden);
        Assert.NotEmpty(model.Differences(untouched));
        // Exchanging LoRAs is the same as starting anew with the others.
        LoraModel.Apply(merge, golden, factor: 0.5);
        using LoraModel other = LoraModel.Load(golden.ModelFolder);
        LoraModel.Apply(new LoraMerge(other.Components), golden, factor: 0.5);
        Assert.Empty(model.Differences(other));
        merge.Apply();
        Assert.Empty(model.Differences(untouched));
    }

    private static bool HoldsLoras(GoldenCase golden) =>
        golden.Json["model"] is not null && golden.Config["files"] is JsonArray { Count: > 0 } files && files.All(file => IsLora(golden, file));

    private static bool IsLora(GoldenCase golden, JsonNode? file)
    {
        if (file is not JsonObject entry || entry["scale"] is null || entry["file"] is null) return false;
        using ITensorSource source = Checkpoint.Open(GoldenCase.At(golden.Area, entry["file"]!.GetValue<string>()));
        return LoraFile.KindOf(source) == "LoRA";
    }
}
