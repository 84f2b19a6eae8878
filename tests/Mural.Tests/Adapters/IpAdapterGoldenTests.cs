using System.Text.Json.Nodes;
using Mural.Adapters;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.Tests.UNet;
using Mural.UNet;

namespace Mural.Tests.Adapters;

/// <summary>IP-Adapters on a UNet against diffusers. A case is recognised by the image encoder's outputs that it brings.</summary>
[Trait("Area", "adapters")]
public class IpAdapterGoldenTests
{
    public static TheoryData<string, KernelSet?, ScalarType> Cases =>
        UNetGoldens.CasesInAllWays("adapters", golden => golden.Has("in.image_feature.0") && golden.Config["files"] is JsonArray && UNetGoldens.RunsUNet(golden));

    [GoldenTheory, MemberData(nameof(Cases))]
    public void MatchesDiffusers(string name, KernelSet? kernels, ScalarType type)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("adapters", name);
        using UNet2DConditionModel network = UNetGoldens.Load(golden);
        if (kernels is { } chosen) network.PrepareForInference(chosen, type);
        RuntimePlan runtime = RuntimePlan.Choose(new RuntimeOptions
        {
            Device = "cpu",
            Precision = type == float32 ? Precision.Float32 : Precision.BFloat16,
            Kernels = kernels ?? KernelSet.Libtorch,
        });
        using PreparedPrompt prompt = network.Prepare(UNetGoldens.Conditioning(golden, type)), plain = network.Prepare(UNetGoldens.Conditioning(golden, type));
        string[] files = [.. golden.Config["files"]!.AsArray().Select(file => file!.GetValue<string>())];
        JsonNode scale = golden.Config["scale"]!;
        for (int i = 0; i < files.Length; i++)
        {
            using IpAdapter adapter = IpAdapter.Load(GoldenCase.At("adapters", files[i]), network, runtime);
            Tensor tokens = adapter.Project(golden.Get($"in.image_feature.{i}"));
            if (golden.Has($"mid.image_tokens.{i}")) UNetGoldens.Check(golden, $"mid.image_tokens.{i}", tokens, type);
            adapter.AddTo(prompt, tokens, (scale is JsonArray scales ? scales[i]! : scale).GetValue<double>());
            adapter.AddTo(plain, tokens, 0);
        }
        Tensor latents = golden.Get("in.sample"), timestep = golden.Get("in.timestep");
        UNetGoldens.Check(golden, "out.sample", network.Forward(latents, timestep, prompt), type);
        if (golden.Has("mid.sample_scale_0")) UNetGoldens.Check(golden, "mid.sample_scale_0", network.Forward(latents, timestep, plain), type);
    }
}
