using Mural.DiM;
using Mural.Samplers;
using Mural.Tests.DiM;
using Mural.Tests.Goldens;

namespace Mural.Tests.Samplers;

/// <summary>Whole runs of the tiny models, against the official code.</summary>
[Trait("Area", "dim")]
public class DiMSamplingTests
{
    public static TheoryData<string> DpmCases => GoldenCase.Names("dim", golden => golden.Json["model"] is not null && golden.Has("mid.call_times") && golden.Config["m"] is null);

    public static TheoryData<string> EulerCases => GoldenCase.Names("dim", golden => golden.Json["model"] is not null && golden.Has("mid.times") && golden.Has("mid.states"));

    public static TheoryData<string> GuidanceCases => GoldenCase.Names("dim", golden => golden.Json["config"]?["scales"] is not null);

    [GoldenTheory, MemberData(nameof(DpmCases))]
    public void DpmSolverRunIsRepeated(string name)
    {
        using GoldenCase golden = GoldenCase.Open("dim", name);
        using DiMModel model = GoldenModels.Load(golden);
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        Denoiser network = Guided(golden, model, golden.Config["guidance"]?.GetValue<double>() ?? 0);
        var predictions = new List<Tensor>();
        DpmGoldens.Check(golden, (x, time) =>
        {
            Tensor predicted = network(x, time);
            predictions.Add(predicted.clone().DetachFromDisposeScope());
            return predicted;
        });
        if (golden.Has("mid.first_eps"))
            golden.AssertMatches("mid.first_eps", stack([.. predictions.Take((int)golden.Tensors["mid.first_eps"].Shape[0])]));
        predictions.ForEach(predicted => predicted.Dispose());
    }

    [GoldenTheory, MemberData(nameof(EulerCases))]
    public void EulerMaruyamaRunIsRepeated(string name)
    {
        using GoldenCase golden = GoldenCase.Open("dim", name);
        using DiMModel model = GoldenModels.Load(golden);
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        Tensor x = golden.Get("in.x");
        Denoiser denoiser = Guided(golden, model, 0);
        var schedule = new LinearNoiseSchedule();
        var options = new EulerMaruyamaOptions { Steps = golden.Config["steps"]!.GetValue<int>(), EndTime = golden.Config["eps"]!.GetValue<double>() };
        var times = new List<double>();
        var states = new List<Tensor>();
        void Record(SamplerStep step)
        {
            times.Add(step.Time);
            states.Add(step.Latent.clone().DetachFromDisposeScope());
        }
        Tensor result;
        if (golden.Has("in.noise"))
        {
            Tensor noises = golden.Get("in.noise");
            int draws = 0;
            result = EulerMaruyama.SampleSde(denoiser, x, schedule, options, _ => noises[draws++], Record, TestContext.Current.CancellationToken);
            Assert.Equal(noises.shape[0], draws);
        }
        else
        {
            result = EulerMaruyama.SampleOde(denoiser, x, schedule, options, Record, TestContext.Current.CancellationToken);
        }
        golden.AssertMatches("mid.times", tensor(times.ToArray()));
        golden.AssertMatches("mid.states", stack([.. states.Skip(1), result]));
        golden.AssertMatches("out.x", result);
        states.ForEach(state => state.Dispose());
    }

    [GoldenTheory, MemberData(nameof(GuidanceCases))]
    public void GuidedPredictionIsRepeated(string name)
    {
        using GoldenCase golden = GoldenCase.Open("dim", name);
        using DiMModel model = GoldenModels.Load(golden);
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        Tensor x = golden.Get("in.x"), times = golden.Get("in.t"), labels = golden.Get("in.y"), none = full_like(labels, model.Config.NullLabel);
        golden.AssertMatches("out.cond", model.Forward(x, times, labels));
        golden.AssertMatches("out.uncond", model.Forward(x, times, none));
        string[] outputs = [.. golden.Tensors.Keys.Where(key => key.StartsWith("out.guided_", StringComparison.Ordinal))];
        Assert.NotEmpty(outputs);
        foreach (string output in outputs)
        {
            double scale = double.Parse(output["out.guided_".Length..]);
            foreach ((double number, GuidanceConvention convention) in new[] { (scale, GuidanceConvention.Official), (1 + scale, GuidanceConvention.Common) })
                foreach (bool batched in new[] { false, true })
                {
                    // The case gives each picture its own time, so time comes with the state instead of from a sampler.
                    Tensor Network(Tensor state, double time, Tensor condition) => model.Forward(state, state.shape[0] > times.shape[0] ? cat([times, times]) : times, condition);
                    golden.AssertMatches(output, ClassifierFreeGuidance.Wrap(Network, labels, none, new GuidanceOptions(number, convention, batched))(x, 0));
                }
        }
    }

    private static Denoiser Guided(GoldenCase golden, DiMModel model, double scale)
    {
        NoiseSchedule schedule = golden.Config["network_time"]?.GetValue<string>() is "999 t" ? new LinearNoiseSchedule() : DpmGoldens.Schedule(golden.Config);
        Tensor none = full([golden.Tensors["in.x"].Shape[0]], (long)model.Config.NullLabel, int64);
        Tensor labels = golden.Has("in.y") ? golden.Get("in.y", int64) : none;
        return ClassifierFreeGuidance.Wrap(DiMDenoiser.Create(model, schedule), labels, none, new GuidanceOptions(scale));
    }
}
