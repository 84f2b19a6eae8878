using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Mural.DiM;
using Mural.Samplers;
using Mural.Tests.Goldens;
using Mural.Tests.Samplers;

namespace Mural.Tests.DiM;

[Trait("Area", "dim")]
public class UpsamplingRunTests
{
    private static readonly DiscreteNoiseSchedule Schedule = DiscreteNoiseSchedule.ScaledLinear();

    public static TheoryData<string> Cases => GoldenCase.Names("dim", golden => golden.Has("mid.call_guided"));

    [GoldenTheory, MemberData(nameof(Cases))]
    public void OfficialRunIsRepeated(string name)
    {
        using GoldenCase golden = GoldenCase.Open("dim", name);
        using DiMModel model = GoldenModels.Load(golden);
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        Denoiser network = Network(golden, model);
        DpmGoldens.Check(golden, new UpsampleGuidance(Schedule, UpsampleGuidanceTests.Options(golden.Config)).Wrap(network, network));
    }

    [GoldenTheory, MemberData(nameof(Cases))]
    public void PartsOfOneEvaluationAreRepeated(string name)
    {
        using GoldenCase golden = GoldenCase.Open("dim", name);
        using DiMModel model = GoldenModels.Load(golden);
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        Denoiser network = Network(golden, model);
        var guidance = new UpsampleGuidance(Schedule, UpsampleGuidanceTests.Options(golden.Config));
        double[] times = golden.Get("mid.call_solver_time", float64).data<double>().ToArray();
        double Led(double time, double value) => guidance.Weight(time) > 0 ? value : 0;
        golden.AssertMatches("mid.call_network_time", Table(times, Schedule.NetworkTime));
        golden.AssertMatches("mid.call_weight", Table(times, guidance.Weight));
        golden.AssertMatches("mid.call_low_network_time", Table(times, time => Led(time, Schedule.NetworkTime(guidance.LowTime(time)))));
        golden.AssertMatches("mid.call_P", Table(times, time => Led(time, guidance.Variance(time))));

        double at = times[Evaluation(golden) - 1];
        Tensor x = golden.Get("mid.call_x");
        golden.AssertMatches("mid.call_eps_full", network(x, at));
        // A call that is not led has no small picture.
        if (guidance.Weight(at) > 0)
        {
            Tensor low = guidance.LowInput(x, at);
            golden.AssertMatches("mid.call_low_input", low);
            golden.AssertMatches("mid.call_eps_low", network(low, guidance.LowTime(at)));
        }
        golden.AssertMatches("mid.call_guided", guidance.Wrap(network, network)(x, at));
        Tensor table = PositionTable.Resize(model.get_parameter("additional_embed")!, model.Config.TrainedGrid, GoldenModels.Grid(golden));
        golden.AssertMatches("mid.table_rows", table[0].narrow(0, 0, golden.Tensors["mid.table_rows"].Shape[0]));
    }

    // The case says in words which evaluation the stored parts are of, counting from 1.
    private static int Evaluation(GoldenCase golden)
    {
        Match match = Regex.Match(golden.Json["outputs"]?["mid.call_x"]?.GetValue<string>() ?? "", @"evaluation number (\d+)");
        return match.Success ? int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) : 2;
    }

    private static Denoiser Network(GoldenCase golden, DiMModel model)
    {
        SkipTuningOptions? options = golden.Config["skip_tune"] is JsonObject skips && skips["param"] is JsonArray range
            ? new SkipTuningOptions(range[0]!.GetValue<double>(), range[1]!.GetValue<double>(), skips["q"]!.GetValue<double>())
            : null;
        Tensor none = full([golden.Tensors["in.x"].Shape[0]], (long)model.Config.NullLabel, int64), labels = GoldenModels.Labels(golden)?.to(int64) ?? none;
        ConditionalDenoiser network = DiMDenoiser.CreateForUpsampling(model, Schedule, GoldenModels.Grid(golden), options);
        return ClassifierFreeGuidance.Wrap(network, labels, none, new GuidanceOptions(golden.Config["guidance"]!.GetValue<double>()));
    }

    private static Tensor Table(double[] times, Func<double, double> function) => tensor(times.Select(function).ToArray());
}
