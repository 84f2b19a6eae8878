using System.Text.RegularExpressions;
using Mural.DiM;
using Mural.Layers;
using Mural.Runtime;
using Mural.Tests.Goldens;
using TorchSharp.Modules;

namespace Mural.Tests.DiM;

[Trait("Area", "dim")]
public partial class DiMModelGoldenTests
{
    private const double BFloat16Tolerance = 5e-2;

    // Random weights make some of the tiny networks magnify every rounding. Rounding nothing but the weights of the products, which no bfloat16 run can avoid,
    // measures by how much; values between the products are rounded as often again, evenly over all places.
    private const double RoundingFactor = 3;

    // A whole network: it names a grid and pads and gives the prediction for an input.
    public static TheoryData<string> Cases => GoldenCase.Names("dim", IsModel);

    [GoldenTheory, MemberData(nameof(Cases))]
    public void PredictsAsTheOfficialCode(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("dim", name);
        using DiMModel model = GoldenModels.Load(golden);
        ScanDirection[] schedule = ScanOrders.Schedule(model.Config.Blocks);
        TokenGrid padded = GoldenModels.Grid(golden).Padded(model.Config.PadLength);
        void Observe(string place, Tensor stream)
        {
            if (!golden.Has("mid." + place)) return;
            bool block = place.StartsWith("block", StringComparison.Ordinal);
            var order = block ? ScanOrders.Of(padded, model.Config.FrontTokens, schedule[int.Parse(place[5..])]) : null;
            golden.AssertMatches("mid." + place, GoldenModels.ToScanOrder(stream, order).reshape(golden.Tensors["mid." + place].Shape));
        }
        golden.AssertMatches("out.eps", Predict(model, golden, Observe));
    }

    [GoldenTheory, MemberData(nameof(Cases))]
    public void PlainOperatorsPredictTheSame(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("dim", name);
        using DiMModel model = GoldenModels.Load(golden);
        model.UseKernels(KernelSet.Libtorch);
        golden.AssertMatches("out.eps", Predict(model, golden));
    }

    [GoldenTheory, MemberData(nameof(Cases))]
    public void FrozenModelPredictsTheSame(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("dim", name);
        using DiMModel model = GoldenModels.Load(golden);
        model.PrepareForInference(KernelSet.Mural, ScalarType.Float32);
        golden.AssertMatches("out.eps", Predict(model, golden));
        // Weights that are packed are not there to be written.
        string file = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        Assert.Throws<MuralException>(() => model.Save(file));
        Assert.False(File.Exists(file));
        Assert.Throws<MuralException>(() => model.PrepareForInference(KernelSet.Mural, ScalarType.Float32));
    }

    [GoldenTheory, MemberData(nameof(Cases))]
    public void PredictsInBFloat16(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("dim", name);
        Tensor want = golden.Get("out.eps").to(float64);
        double Distance(DiMModel model) => ((Predict(model, golden).to(float64) - want).norm() / want.norm()).item<double>();

        using DiMModel rounded = GoldenModels.Load(golden);
        foreach ((string key, Parameter parameter) in rounded.named_parameters())
            if (ProductWeight().IsMatch(key)) parameter.copy_(parameter.to(ScalarType.BFloat16));
        double allowed = Math.Max(BFloat16Tolerance, RoundingFactor * Distance(rounded));
        using DiMModel trainable = GoldenModels.Load(golden);
        trainable.ComputeType = ScalarType.BFloat16;
        Assert.InRange(Distance(trainable), 0, allowed);
        using DiMModel frozen = GoldenModels.Load(golden);
        frozen.PrepareForInference(KernelSet.Mural, ScalarType.BFloat16);
        Assert.InRange(Distance(frozen), 0, allowed);
    }

    private static bool IsModel(GoldenCase golden) => golden.Has("out.eps") && golden.Has("in.x") && golden.Has("in.t") && !golden.Has("out.additional_embed");

    private static Tensor Predict(DiMModel model, GoldenCase golden, Action<string, Tensor>? observe = null)
    {
        bool resize = golden.Config["interpolate_table_requested"]?.GetValue<bool>() ?? false;
        return model.Forward(golden.Get("in.x"), golden.Get("in.t"), GoldenModels.Labels(golden), new DiMForwardOptions { ResizePositions = resize, Observe = observe });
    }

    [GeneratedRegex(@"^transformer_blocks\..*(_proj|skip_linear(\.\d)?)\.weight$")]
    private static partial Regex ProductWeight();
}
