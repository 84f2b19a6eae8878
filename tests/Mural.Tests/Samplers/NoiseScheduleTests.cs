using System.Globalization;
using System.Text.RegularExpressions;
using Mural.Samplers;
using Mural.Tests.Goldens;

namespace Mural.Tests.Samplers;

[Trait("Area", "dim")]
public class NoiseScheduleTests
{
    private static readonly DiscreteNoiseSchedule Discrete = DiscreteNoiseSchedule.ScaledLinear();
    private static readonly LinearNoiseSchedule Linear = new();

    public static TheoryData<string> Cases => GoldenCase.Names("dim", golden => golden.Has("out.t_of_lambda"));

    [GoldenTheory, MemberData(nameof(Cases))]
    public void TablesAndInversesMatch(string name)
    {
        using GoldenCase golden = GoldenCase.Open("dim", name);
        using var scope = NewDisposeScope();
        double[] times = golden.Get("in.t", float64).data<double>().ToArray();
        double[] lambdas = golden.Get("in.lam", float64).data<double>().ToArray();
        // The table is stored at every so many steps, as the case says in words.
        Match spacing = Regex.Match(golden.Json["outputs"]?["out.beta"]?.GetValue<string>() ?? "", @"steps 0, ?(\d+)");
        int every = spacing.Success ? int.Parse(spacing.Groups[1].Value, CultureInfo.InvariantCulture) : 37;
        int[] steps = [.. Enumerable.Range(0, Discrete.Steps / every + 1).Select(i => every * i)];
        golden.AssertMatches("out.beta", Table(steps, Discrete.Beta));
        golden.AssertMatches("out.cum_alpha", Table(steps, Discrete.AlphaBar));
        golden.AssertMatches("out.cum_beta", Table(steps, step => 1 - Discrete.AlphaBar(step)));
        golden.AssertMatches("out.vp_beta", Table(times, Linear.Beta));
        golden.AssertMatches("out.vp_cum_alpha", Table(times, Linear.AlphaBar));
        golden.AssertMatches("out.log_alpha", Table(times, Discrete.LogAlpha));
        golden.AssertMatches("out.lambda", Table(times, Discrete.Lambda));
        golden.AssertMatches("out.sigma", Table(times, Discrete.Sigma));
        golden.AssertMatches("out.t_of_lambda", Table(lambdas, Discrete.TimeOfLambda));
        golden.AssertMatches("out.linear_log_alpha", Table(times, Linear.LogAlpha));
        golden.AssertMatches("out.linear_lambda", Table(times, Linear.Lambda));
        golden.AssertMatches("out.linear_t_of_lambda", Table(lambdas, Linear.TimeOfLambda));
    }

    // DiM specification 10.6.
    [Theory]
    [InlineData(1, 0.99915, 1175.4706, 3.5347119)]
    [InlineData(10, 0.9913210885, 114.22182, 2.3690712)]
    [InlineData(100, 0.8954627735, 8.5659703, 1.0738987)]
    [InlineData(500, 0.2776696505, 0.38440812, -0.47802524)]
    [InlineData(900, 0.01429867689, 0.014506095, -2.1165932)]
    [InlineData(1000, 0.004660098513, 0.0046819167, -2.6820239)]
    public void DiscreteTableHasThePublishedValues(int step, double alphaBar, double signalToNoise, double lambda)
    {
        Assert.Equal(1, Discrete.AlphaBar(step) / alphaBar, 1e-7);
        Assert.Equal(1, Discrete.SignalToNoise(step) / signalToNoise, 1e-7);
        Assert.Equal(lambda, Discrete.Lambda(step / 1000.0), 1e-6);
        Assert.Equal(0.00085, Discrete.Beta(1), 1e-12);
        Assert.Equal(0.012, Discrete.Beta(1000), 1e-12);
    }

    [Theory]
    [InlineData(0.001, 0.99989006)]
    [InlineData(0.5, 0.079063812)]
    [InlineData(1, 4.3185749e-5)]
    public void LinearScheduleHasThePublishedValues(double time, double alphaBar) => Assert.Equal(1, Linear.AlphaBar(time) / alphaBar, 1e-7);

    [Fact]
    public void TimesSurviveTheWayThroughLambda()
    {
        foreach (double time in Enumerable.Range(0, 2001).Select(i => 1e-4 + i * (1 - 1e-4) / 2000))
        {
            Assert.Equal(time, Discrete.TimeOfLambda(Discrete.Lambda(time)), 1e-11);
            Assert.Equal(time, Linear.TimeOfLambda(Linear.Lambda(time)), 1e-11);
        }
    }

    [Theory]
    [InlineData(new double[] { 0.1 })]
    [InlineData(new[] { 0.1, 1.0 })]
    [InlineData(new[] { 0.1, double.NaN })]
    public void ImpossibleVariancesAreRefused(double[] betas) => Assert.Throws<ArgumentException>(() => new DiscreteNoiseSchedule(betas));

    private static Tensor Table<T>(T[] values, Func<T, double> function) => tensor(values.Select(function).ToArray());
}
