using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Mural.Samplers;
using Mural.Tests.Goldens;

namespace Mural.Tests.Samplers;

/// <summary>What the solver cases of the area share: their options, their made-up model, their plan and their states.</summary>
internal static partial class DpmGoldens
{
    public static NoiseSchedule Schedule(JsonNode config)
    {
        string name = config["schedule"]?.GetValue<string>() ?? "discrete 1000";
        Match discrete = Regex.Match(name, @"^discrete (\d+)$"), linear = Regex.Match(name, @"^linear ([\d.]+)\.\.([\d.]+)$");
        if (discrete.Success) return DiscreteNoiseSchedule.ScaledLinear(int.Parse(discrete.Groups[1].Value, CultureInfo.InvariantCulture));
        Assert.True(linear.Success, $"unknown schedule '{name}'");
        return new LinearNoiseSchedule(Number(linear.Groups[1]), Number(linear.Groups[2]));
    }

    public static DpmSolverOptions Options(JsonNode config)
    {
        string? Text(string key) => (config[key] ?? config["defaults"]?[key])?.GetValue<string>();
        double? Value(string key) => (config[key] ?? config["defaults"]?[key])?.GetValue<double>();
        var usual = new DpmSolverOptions();
        bool pixel = Schedule(config) is LinearNoiseSchedule;
        return new DpmSolverOptions
        {
            Steps = config["steps"]?.GetValue<int>() ?? 50,
            Order = (config["order"] ?? config["defaults"]?["order"])?.GetValue<int>() ?? 3,
            // The pixel model's solver has one form and one method.
            Form = Text("form") is "noise" || pixel ? DpmForm.Noise : DpmForm.Data,
            Method = Text("method") switch
            {
                null => pixel ? DpmMethod.FastEven : DpmMethod.Fast,
                "fast" => pixel ? DpmMethod.FastEven : DpmMethod.Fast,
                "singlestep" => DpmMethod.SingleStep,
                "adaptive" => DpmMethod.Adaptive,
                string other => throw new InvalidOperationException($"unknown method '{other}'"),
            },
            Spacing = Text("skip_type") switch
            {
                null or "time_uniform" => TimeSpacing.Time,
                "logSNR" => TimeSpacing.LogSnr,
                "t2" or "time_quadratic" => TimeSpacing.Quadratic,
                string other => throw new InvalidOperationException($"unknown spacing '{other}'"),
            },
            Combination = Text("solver_type") is "taylor" ? DpmCombination.Taylor : DpmCombination.Paper,
            StartTime = config["t_start"]?.GetValue<double>() ?? 1,
            EndTime = config["t_end"]?.GetValue<double>() ?? 1e-3,
            Denoise = config["denoise"]?.GetValue<bool>() ?? false,
            Threshold = config["thresholding"]?.GetValue<bool>() is true ? new DynamicThreshold(Maximum: config["max_val"]?.GetValue<double>() ?? 1) : null,
            AbsoluteTolerance = Value("atol") ?? usual.AbsoluteTolerance,
            RelativeTolerance = Value("rtol") ?? usual.RelativeTolerance,
        };
    }

    /// <summary>The model that the case gives as a formula: eps(x,t) = a tanh(b x) cos(c t) + d sin(e t) + f x t.</summary>
    public static Denoiser MadeUpModel(JsonNode config)
    {
        string formula = config["fake_model"]!.GetValue<string>();
        Match match = Formula().Match(formula);
        Assert.True(match.Success, $"unknown formula '{formula}'");
        double[] c = [.. match.Groups.Values.Skip(1).Select(Number)];
        return (x, t) =>
        {
            using var scope = NewDisposeScope();
            Tensor noise = c[0] * Math.Cos(c[2] * t) * tanh(c[1] * x) + c[3] * Math.Sin(c[4] * t) + c[5] * t * x;
            return noise.MoveToOuterDisposeScope();
        };
    }

    /// <summary>Runs the case, and compares its plan, its evaluations, its states between steps and its result.</summary>
    public static void Check(GoldenCase golden, Denoiser denoiser)
    {
        NoiseSchedule schedule = Schedule(golden.Config);
        DpmSolverOptions options = Options(golden.Config);
        var times = new List<double>();
        var latents = new List<Tensor>();
        using var scope = NewDisposeScope();
        void Record(SamplerStep step)
        {
            times.Add(step.Time);
            latents.Add(step.Latent.clone().DetachFromDisposeScope());
        }
        using Tensor x = golden.Get("in.x"), untouched = x.clone();
        Tensor result = DpmSolver.Sample(denoiser, x, schedule, options, Record, TestContext.Current.CancellationToken);

        Assert.True(x.Equals(untouched), "the given state was changed");
        golden.AssertMatches("mid.call_times", tensor(times.ToArray()));
        if (golden.Has("mid.orders"))
        {
            IReadOnlyList<DpmStep> plan = DpmSolverPlan.Create(options, schedule);
            golden.AssertMatches("mid.orders", tensor(plan.Select(step => step.Order).ToArray()));
            golden.AssertMatches("mid.step_times", Rows(plan, step => [step.Start, step.End]));
            if (golden.Has("mid.r")) golden.AssertMatches("mid.r", Rows(plan, step => [step.FirstRatio, step.SecondRatio]));
            // The state after a step is the one that the next step's first evaluation sees.
            int[] ends = [.. plan.Select((_, last) => plan.Take(last + 1).Sum(step => step.Order))];
            IEnumerable<Tensor> states = ends.Select(evaluation => evaluation < latents.Count ? latents[evaluation] : result);
            if (golden.Has("mid.states")) golden.AssertMatches("mid.states", stack([.. states.Take((int)golden.Tensors["mid.states"].Shape[0])]));
        }
        golden.AssertMatches("out.x", result);
        latents.ForEach(latent => latent.Dispose());
    }

    private static Tensor Rows(IReadOnlyList<DpmStep> plan, Func<DpmStep, double[]> row) => stack([.. plan.Select(step => tensor(row(step)))]);

    private static double Number(Group group) => double.Parse(group.Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^eps\(x,t\) = (-?[\d.]+) tanh\((-?[\d.]+) x\) cos\((-?[\d.]+) t\) \+ (-?[\d.]+) sin\((-?[\d.]+) t\) \+ (-?[\d.]+) x t\b")]
    private static partial Regex Formula();
}
