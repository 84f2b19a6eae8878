using System.Text.Json.Nodes;
using Mural.DiM;
using Mural.Samplers;
using Mural.Tests.Goldens;

namespace Mural.Tests.DiM;

[Trait("Area", "dim")]
public class UpsampleGuidanceTests
{
    private static readonly DiscreteNoiseSchedule Schedule = DiscreteNoiseSchedule.ScaledLinear();

    public static TheoryData<string> TableCases => GoldenCase.Names("dim", golden => golden.Has("out.grid_step_index"));

    [GoldenTheory, MemberData(nameof(TableCases))]
    public void OfficialTablesAreRepeated(string name)
    {
        using GoldenCase golden = GoldenCase.Open("dim", name);
        using var scope = NewDisposeScope();
        double[] times = golden.Get("in.t", float64).data<double>().ToArray();
        UpsampleGuidanceOptions options = Options(golden.Config);
        var guidance = new UpsampleGuidance(Schedule, options);
        golden.AssertMatches("out.step_index", Table(times, guidance.StepIndex));
        golden.AssertMatches("out.w", Table(times, guidance.Weight));
        golden.AssertMatches("out.alpha_bar", Table(times, time => Schedule.AlphaBar(guidance.StepIndex(time))));
        golden.AssertMatches("out.log_snr", Table(times, time => Math.Log(Schedule.SignalToNoise(guidance.StepIndex(time)))));
        int steps = (int)golden.Tensors["out.grid_step_index"].Shape[0];
        double[] grid = [.. Enumerable.Range(0, steps).Select(i => i == steps - 1 ? 1e-5 : (steps - 1.0 - i) / steps)];
        golden.AssertMatches("out.grid_step_index", Table(grid, guidance.StepIndex));
        foreach (string output in golden.Tensors.Keys.Where(key => key.StartsWith("out.i_m", StringComparison.Ordinal)))
        {
            string suffix = output["out.i".Length..];
            var factored = new UpsampleGuidance(Schedule, options with { Factor = int.Parse(suffix[2..]) });
            golden.AssertMatches(output, Table(times, factored.MatchedEntry));
            golden.AssertMatches("out.tau1000" + suffix, Table(times, time => Schedule.NetworkTime(factored.LowTime(time))));
            golden.AssertMatches("out.P" + suffix, Table(times, factored.Variance));
        }
    }

    // DiM specification 6.3.
    [Theory]
    [InlineData(2, 1.0, 124, 875.876, 0.253495)]
    [InlineData(2, 0.9, 245, 754.755, 0.260724)]
    [InlineData(2, 0.7, 490, 509.510, 0.312346)]
    [InlineData(3, 1.0, 209, 790.791, 0.115253)]
    [InlineData(3, 0.9, 346, 653.654, 0.123821)]
    [InlineData(3, 0.7, 613, 386.386, 0.185003)]
    public void MatchedTimesHaveThePublishedValues(int factor, double time, int entry, double networkTime, double variance)
    {
        var guidance = new UpsampleGuidance(Schedule, new UpsampleGuidanceOptions { Factor = factor });
        Assert.Equal(entry, guidance.MatchedEntry(time));
        Assert.Equal(networkTime, Schedule.NetworkTime(guidance.LowTime(time)), 5e-4);
        Assert.Equal(variance, guidance.Variance(time), 5e-7);
        Assert.Equal(1, guidance.Weight(time));
    }

    // Below the first step there is no noise, as in the last entry alone: infinite ratios, one as large as the other.
    [Fact]
    public void StatesWithoutNoiseAreMatchedWithTheEntryWithoutNoise()
    {
        var guidance = new UpsampleGuidance(Schedule, new UpsampleGuidanceOptions());
        Assert.Equal(999, guidance.MatchedEntry(5e-4));
        Assert.Equal(0, guidance.LowTime(5e-4));
        Assert.Equal(1, guidance.Variance(5e-4));
        Assert.Equal(998, guidance.MatchedEntry(1e-3));
    }

    // DiM specification 10.7.
    [Fact]
    public void ConstantPredictionsAreCorrectedByTheirDifference()
    {
        using var scope = NewDisposeScope();
        foreach (int factor in new[] { 2, 3, 5 })
        {
            Denoiser guided = new UpsampleGuidance(Schedule, new UpsampleGuidanceOptions { Factor = factor, Strength = 0.5 }).Wrap(
                (x, _) => full_like(x, 0.25), (x, _) => full_like(x, 3));
            Tensor e = guided(randn(1, 2, 3L * factor, 2L * factor, generator: new Generator(1)), 0.8);
            Assert.True(e.allclose(full_like(e, 0.25 + 0.5 * (3.0 / factor - 0.25))));
        }
    }

    [Theory]
    [InlineData(0, 0.9)]
    [InlineData(1, 0.69)]
    public void WithoutWeightTheSmallPictureIsNotComputed(double strength, double time)
    {
        using var scope = NewDisposeScope();
        Denoiser guided = new UpsampleGuidance(Schedule, new UpsampleGuidanceOptions { Strength = strength }).Wrap(
            (x, _) => x * 2, (_, _) => throw new InvalidOperationException("not wanted"));
        Tensor state = randn(1, 1, 4, 4, generator: new Generator(2));
        Assert.True(guided(state, time).Equals(state * 2));
    }

    [Fact]
    public void FactorOneLooksAtTheSameStateAtTheSameNoise()
    {
        using var scope = NewDisposeScope();
        var guidance = new UpsampleGuidance(Schedule, new UpsampleGuidanceOptions { Factor = 1 });
        Tensor state = randn(1, 1, 4, 4, generator: new Generator(4));
        Assert.Equal(1, guidance.Variance(0.8), 1e-15);
        Assert.Equal(0.8, guidance.LowTime(0.8), 2e-3);
        Denoiser steady = (x, _) => x * 0.5;
        Assert.True(guidance.Wrap(steady, steady)(state, 0.8).allclose(state * 0.5));
    }

    [Fact]
    public void SizesThatDoNotDivideAreExplained()
    {
        using var scope = NewDisposeScope();
        Denoiser guided = new UpsampleGuidance(Schedule, new UpsampleGuidanceOptions()).Wrap((x, _) => x * 1, (x, _) => x * 1);
        Assert.Throws<MuralException>(() => guided(zeros(1, 1, 5, 4), 0.9));
        Assert.Throws<MuralException>(() => new UpsampleGuidance(Schedule, new UpsampleGuidanceOptions { Factor = 0 }));
    }

    internal static UpsampleGuidanceOptions Options(JsonNode config) => new()
    {
        Factor = config["m"]?.GetValue<int>() ?? 2,
        Strength = config["theta"]!.GetValue<double>(),
        Share = config["eta"]!.GetValue<double>(),
        TotalTime = config["T"]!.GetValue<double>(),
    };

    private static Tensor Table(double[] times, Func<double, double> function) => tensor(times.Select(function).ToArray());

    private static Tensor Table(double[] times, Func<double, int> function) => tensor(times.Select(function).ToArray());
}
