using System.Text.Json.Nodes;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.UNet;

namespace Mural.Tests.UNet;

/// <summary>ControlNets, and the UNet with what they add, against diffusers. A case is recognised by its tensors and the models it names.</summary>
[Trait("Area", "control")]
public class ControlNetGoldenTests
{
    public static TheoryData<string, KernelSet?, ScalarType> Cases => UNetGoldens.CasesInAllWays("control", UNetGoldens.RunsControlNet);

    [GoldenTheory, MemberData(nameof(Cases))]
    public void MatchesDiffusers(string name, KernelSet? kernels, ScalarType type)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("control", name);
        Tensor[] hints = [.. golden.Tensors.Keys.Where(key => key.StartsWith("in.hint", StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(key => golden.Get(key))];
        ControlResiduals residuals = ControlResiduals.Sum([.. hints.Select((hint, i) => Residuals(golden, hint, i, kernels, type))]);
        for (int i = 0; i < residuals.Down.Count; i++) UNetGoldens.Check(golden, $"out.down.{i}", AsStored(golden, $"out.down.{i}", residuals.Down[i]), type);
        UNetGoldens.Check(golden, "out.mid", AsStored(golden, "out.mid", residuals.Mid), type);
        Assert.False(golden.Has($"out.down.{residuals.Down.Count}"));

        using UNet2DConditionModel network = UNetGoldens.Load(golden);
        if (kernels is { } chosen) network.PrepareForInference(chosen, type);
        using PreparedPrompt prompt = network.Prepare(UNetGoldens.Conditioning(golden, type));
        Tensor latents = golden.Get("in.sample"), timestep = golden.Get("in.timestep");
        UNetGoldens.Check(golden, "out.sample", network.Forward(latents, timestep, prompt, residuals), type);
        if (golden.Has("mid.sample_without")) UNetGoldens.Check(golden, "mid.sample_without", network.Forward(latents, timestep, prompt), type);
    }

    // Of residuals that are averaged over the picture, the library gives one value for each channel, which then counts everywhere.
    private static Tensor AsStored(GoldenCase golden, string output, Tensor residual)
    {
        if (golden.Tensors[output].Shape is not [_, _, 1, 1]) return residual;
        Tensor one = residual.narrow(2, 0, 1).narrow(3, 0, 1);
        Assert.True(residual.equal(one.expand_as(residual)).all().item<bool>(), $"{golden.Name}: {output} is not the same everywhere");
        return one;
    }

    private static ControlResiduals Residuals(GoldenCase golden, Tensor hint, int index, KernelSet? kernels, ScalarType type)
    {
        using ControlNetModel network = ControlNetGoldens.Load(golden, index);
        if (kernels is { } chosen) network.PrepareForInference(chosen, type);
        using PreparedPrompt prompt = network.Prepare(UNetGoldens.Conditioning(golden, type));
        Tensor picture = network.EmbedPicture(hint, prompt);
        if (index == 0 && golden.Has("mid.hint_embedding")) UNetGoldens.Check(golden, "mid.hint_embedding", picture, type);
        JsonNode scale = golden.Config["conditioning_scale"]!;
        return network.Forward(
            golden.Get("in.sample"), golden.Get("in.timestep"), prompt, picture,
            (scale is JsonArray scales ? scales[index]! : scale).GetValue<double>(), golden.Config["guess_mode"]?.GetValue<bool>() == true);
    }
}
