using System.Globalization;
using System.Text.RegularExpressions;
using Mural.DiM;
using Mural.Tests.Goldens;

namespace Mural.Tests.DiM;

public class SkipTuningTests
{
    public static TheoryData<string> Cases => GoldenCase.Names("dim", golden => golden.Has("out.factors"));

    [GoldenTheory, MemberData(nameof(Cases)), Trait("Area", "dim")]
    public void OfficialFactorsAreRepeated(string name)
    {
        using GoldenCase golden = GoldenCase.Open("dim", name);
        using DiMModel model = GoldenModels.Load(golden);
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        double q = golden.Config["q"]!.GetValue<double>(), bottom = golden.Config["bottom"]!.GetValue<double>();
        Tensor Predict(double[]? factors) => model.Forward(golden.Get("in.x"), golden.Get("in.t"), GoldenModels.Labels(golden), new DiMForwardOptions { SkipFactors = factors });
        golden.AssertMatches("out.plain", Predict(null));
        foreach ((string output, string factorsOutput) in new[] { ("out.tuned", "out.factors"), ("out.strong", "out.strong_factors") })
        {
            if (!golden.Has(output)) continue;
            double[] factors = SkipTuning.Factors(model.Config.DecoderBlocks, Parameter(golden, output), q, bottom);
            golden.AssertMatches(factorsOutput, tensor(factors));
            golden.AssertMatches(output, Predict(factors));
        }
    }

    [Fact]
    public void TimeDecidesHowMuchIsScaled()
    {
        Assert.Equal(0.99982, new SkipTuningOptions().FactorsAt(0.5, 24)[^1], 1e-12);
        Assert.Equal(0.91, new SkipTuningOptions(Time: null).FactorsAt(0.5, 24)[^1], 1e-12);
        Assert.Equal(1, new SkipTuningOptions(Time: null).FactorsAt(0.5, 24)[0]);
    }

    // The case names the parameter in the words that describe the output.
    private static double Parameter(GoldenCase golden, string output)
    {
        string text = golden.Json["outputs"]![output]!.GetValue<string>();
        return double.Parse(Regex.Match(text, @"parameter (-?[\d.]+)").Groups[1].Value, CultureInfo.InvariantCulture);
    }
}
