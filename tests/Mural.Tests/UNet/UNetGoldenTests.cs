using System.Text.Json.Nodes;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.UNet;

namespace Mural.Tests.UNet;

/// <summary>The UNet against diffusers. A case is recognised by its tensors and the model it names.</summary>
[Trait("Area", "unet")]
public class UNetGoldenTests
{
    public static TheoryData<string, KernelSet?, ScalarType> Cases => UNetGoldens.CasesInAllWays("unet", UNetGoldens.RunsUNet);

    public static TheoryData<string> CasesWithParts => GoldenCase.Names("unet", golden => UNetGoldens.RunsUNet(golden) && golden.Json["mid"] is JsonObject);

    [GoldenTheory, MemberData(nameof(Cases))]
    public void MatchesDiffusers(string name, KernelSet? kernels, ScalarType type)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("unet", name);
        using UNet2DConditionModel network = UNetGoldens.Load(golden);
        if (kernels is { } chosen) network.PrepareForInference(chosen, type);
        using PreparedPrompt prompt = network.Prepare(UNetGoldens.Conditioning(golden, type));
        Tensor sample = network.Forward(golden.Get("in.sample"), golden.Get("in.timestep"), prompt, UNetGoldens.Residuals(golden));
        UNetGoldens.Check(golden, "out.sample", sample, type);
    }

    // Says where the first difference is; the output alone would only say that there is one.
    [GoldenTheory, MemberData(nameof(CasesWithParts))]
    public void PartsMatchDiffusers(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("unet", name);
        using UNet2DConditionModel network = UNetGoldens.Load(golden);
        using PreparedPrompt prompt = network.Prepare(UNetGoldens.Conditioning(golden, float32));
        // The cases' names leave out the number of the first transformer block.
        Dictionary<object, string> names = network.named_modules().ToDictionary(
            entry => (object)entry.module, entry => entry.name.Replace(".transformer_blocks.0.", ".", StringComparison.Ordinal));
        var results = new Dictionary<string, Tensor>();
        if (prompt.Added is not null) results.Add("add_embedding", prompt.Added[^1..]);
        network.Run(
            golden.Get("in.sample"), golden.Get("in.timestep"), prompt, UNetGoldens.Residuals(golden),
            (part, result) => results.Add(names[part], result[^1..].clone().DetachFromDisposeScope()));
        foreach ((string part, _) in golden.Json["mid"]!.AsObject()) golden.AssertMatches($"mid.{part}", results[part]);
        foreach (Tensor result in results.Values) result.Dispose();
    }
}
