using Mural.Attention;
using Mural.LinFusion;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.Tests.UNet;
using Mural.UNet;

namespace Mural.Tests.LinFusion;

/// <summary>UNets with linear attention mounted against the official code.</summary>
[Trait("Area", LinFusionGoldens.Area)]
public class LinFusionUNetGoldenTests
{
    private const double LeastDifference = 0.04;

    public static TheoryData<string, KernelSet?, ScalarType> Cases =>
        UNetGoldens.CasesInAllWays(LinFusionGoldens.Area, golden => UNetGoldens.RunsUNet(golden) && golden.Config["linfusion"] is not null);

    public static TheoryData<string> Starts => GoldenCase.Names(LinFusionGoldens.Area, golden => UNetGoldens.RunsUNet(golden) && golden.Has("out.first_attn1.out"));

    [GoldenTheory, MemberData(nameof(Cases))]
    public void MatchesTheOfficialNetwork(string name, KernelSet? kernels, ScalarType type)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients(LinFusionGoldens.Area, name);
        using UNet2DConditionModel network = UNetGoldens.Load(golden);
        network.LoadLinFusion(LinFusionGoldens.Folder(golden));
        if (golden.Config["first_module"] is { } first) Assert.Equal(first.GetValue<string>(), LinFusionConfig.Read(LinFusionGoldens.Folder(golden)).Modules[0].Name);
        if (kernels is { } chosen) network.PrepareForInference(chosen, type);
        using PreparedPrompt prompt = network.Prepare(UNetGoldens.Conditioning(golden, type));
        Tensor sample = network.Forward(golden.Get("in.sample"), golden.Get("in.timestep"), prompt);
        UNetGoldens.Check(golden, "out.sample", sample, type);
        if (!golden.Has("mid.sample_without_linfusion")) return;
        // Half of what the case measured; reduced precision is not that far away.
        double measured = golden.Config["relative_l2_to_plain_attention"]?.GetValue<double>() ?? LeastDifference;
        Assert.True(LinFusionGoldens.Distance(sample, golden.Get("mid.sample_without_linfusion")) > measured / 2);
    }

    // Training's start: the softmax attention's projections, and perceptrons that change nothing yet.
    [GoldenTheory, MemberData(nameof(Starts))]
    public void StartsFromTheSoftmaxAttention(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients(LinFusionGoldens.Area, name);
        using UNet2DConditionModel network = UNetGoldens.Load(golden), teacher = UNetGoldens.Load(golden);
        using var generator = new Generator(3);
        network.StartLinFusion(LinFusionConfig.For(network.Config), generator);
        var attention = (LinearAttention)network.TransformerBlocks().First().Block.SelfAttention;
        golden.AssertMatches("out.first_attn1.out", attention.Forward(golden.Get("mid.first_attn1.in"), new MapSize(1, 1)));
        using PreparedPrompt prompt = network.Prepare(UNetGoldens.Conditioning(golden, float32));
        golden.AssertMatches("out.sample", network.Forward(golden.Get("in.sample"), golden.Get("in.timestep"), prompt));
        foreach ((string parameter, System.Text.Json.Nodes.JsonNode? rule) in golden.Config["first_public_trainer"]!.AsObject())
        {
            Tensor value = attention.get_parameter(parameter)!;
            switch (rule![0]!.GetValue<string>())
            {
                case "copied":
                    Assert.True(value.equal(teacher.TransformerBlocks().First().Block.SelfAttentionModule.get_parameter(parameter)!).all().item<bool>());
                    break;
                case "zero":
                    Assert.Equal(0, value.abs().max().item<float>());
                    break;
                case "one":
                    Assert.Equal(0, (value - 1).abs().max().item<float>());
                    break;
                default:
                    double bound = 1 / Math.Sqrt(attention.get_parameter(parameter.Replace(".bias", ".weight", StringComparison.Ordinal))!.shape[1]);
                    Assert.InRange(value.abs().max().item<float>(), bound / 2, bound);
                    break;
            }
        }
    }
}
