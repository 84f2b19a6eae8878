using Mural.Autoencoders;
using Mural.DiM;
using Mural.Samplers;
using Mural.Tests.DiM;
using Mural.Tests.Goldens;
using Mural.Training;
using Mural.Training.Data;
using TorchSharp.Modules;

namespace Mural.Tests.Training;

/// <summary>Whole training steps of the official trainer, repeated with its own draws.</summary>
[Trait("Area", "dim")]
public class TrainingGoldenTests
{
    public static TheoryData<string> Steps => GoldenCase.Names("dim", c => c.Config["optimizer"] is not null);

    public static TheoryData<string> Roundings => GoldenCase.Names("dim", c => c.Has("out.n_fed") || c.Has("out.timestep_fed"));

    [GoldenTheory, MemberData(nameof(Steps))]
    public void StepsAreRepeated(string name)
    {
        using GoldenCase golden = GoldenCase.Open("dim", name);
        using DiMModel model = GoldenModels.Load(golden), average = GoldenModels.Load(golden);
        DiMTrainingConfig config = ConfigOf(golden);
        // Only its scale counts.
        using var autoencoder = new AutoencoderKL(
            new AutoencoderConfig { BlockOutChannels = [8], NormGroupCount = 4, ScalingFactor = golden.Config["vae_scale"]?.GetValue<double>() ?? 1 });
        using var update = new WeightUpdate(model, average, config);
        update.ResetAverage();
        using var scope = NewDisposeScope();
        var summary = new ParameterSummary(golden, model);
        var averageSummary = new ParameterSummary(golden, average);
        var seen = new Observations(golden);

        for (int step = 0; step < golden.Config["steps"]!.GetValue<int>(); step++)
        {
            Drawn drawn = Draw(golden, config, model, autoencoder, step);
            if (step == 0)
            {
                seen.Check("mid.z", drawn.Clean);
                seen.Check("mid.xn", NoisePrediction.Noisy(drawn.Clean, drawn.Noise, drawn.Level));
                seen.Check("mid.xt", NoisePrediction.Noisy(drawn.Clean, drawn.Noise, drawn.Level));
            }
            if (drawn.Labels is not null) seen.Add("out.y_used", drawn.Labels);
            update.Optimizer.ClearGradients();
            Tensor losses = NoisePrediction.Losses(model, drawn.Clean, drawn.Noise, drawn.Level, drawn.Labels, config), loss = losses.mean();
            loss.backward();
            seen.Add("out.loss_per_sample", losses.detach());
            seen.Add("out.loss", loss.detach());
            if (step == 0)
            {
                seen.Check("out.grad_summary", summary.Gradients());
                foreach (string tensor in golden.Tensors.Keys.Where(key => key.StartsWith("out.grad.", StringComparison.Ordinal)))
                    seen.Check(tensor, summary.Gradient(tensor["out.grad.".Length..]));
            }
            double rate = config.Optimizer.LearningRate * config.Schedule.Factor(step, 0);
            double norm = update.Make(step, rate, loss.item<float>());
            if (step == 0) seen.Check("out.clipped_grad_summary", summary.Gradients());
            seen.Add("out.grad_norm", tensor(norm));
            seen.Add("out.lr", tensor(rate));
            // With a warm-up the first step's rate is 0: it changes nothing, and is not recorded.
            if (rate == 0)
            {
                Assert.Equal(0, summary.Changes().abs().max().item<double>());
                continue;
            }
            seen.Add("out.param_change", summary.Changes());
            seen.Add("out.ema_change", averageSummary.Changes());
        }
        seen.AssertAllSeen();
    }

    [GoldenTheory, MemberData(nameof(Roundings))]
    public void InputsAreRoundedAsTheReleasedTrainingDid(string name)
    {
        using GoldenCase golden = GoldenCase.Open("dim", name);
        using DiMModel model = GoldenModels.Load(golden);
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        DiscreteNoiseSchedule schedule = DiscreteNoiseSchedule.ScaledLinear();
        Tensor clean = golden.Get("in.x0"), noise = golden.Get("in.eps");
        NoisePrediction.Level level = NoisePrediction.At(schedule, Longs(golden.Get("in.n")), CPU);
        var seen = new Observations(golden);
        (Tensor noisy, Tensor time) = NoisePrediction.NoisyRounded(clean, noise, level);
        seen.Check("out.n_fed", time);
        seen.Check("out.xn", noisy);
        var config = new DiMTrainingConfig { RoundInputs = true };
        seen.Check("out.loss_per_sample", NoisePrediction.Losses(model, clean, noise, level, golden.Get("in.y", int64), config));
        NoisePrediction.Level all = NoisePrediction.At(schedule, [.. Enumerable.Range(1, schedule.Steps).Select(n => (long)n)], CPU);
        Tensor none = zeros(schedule.Steps, 1, 1, 1);
        seen.Check("out.timestep_fed", NoisePrediction.NoisyRounded(none, none, all).NetworkTime);
        seen.AssertAllSeen();
    }

    private static DiMTrainingConfig ConfigOf(GoldenCase golden)
    {
        System.Text.Json.Nodes.JsonNode config = golden.Config, optimizer = config["optimizer"]!;
        Assert.Equal("AdamW", optimizer["name"]!.GetValue<string>());
        return new DiMTrainingConfig
        {
            Optimizer = new OptimizerConfig
            {
                LearningRate = optimizer["lr"]!.GetValue<double>(),
                Betas = [.. optimizer["betas"]!.AsArray().Select(beta => beta!.GetValue<double>())],
                Eps = optimizer["eps"]!.GetValue<double>(),
                WeightDecay = optimizer["weight_decay"]!.GetValue<double>(),
                MaxGradNorm = config["max_grad_norm"]?.GetValue<double>(),
            },
            Schedule = new ScheduleConfig { WarmupSteps = config["warmup_steps"]!.GetValue<int>(), Decay = LearningRateDecay.Constant },
            Ema = new EmaConfig { Decay = config["ema_rate"]!.GetValue<double>() },
            LabelDropout = config["p_uncond"]?.GetValue<double>() ?? 0,
        };
    }

    private static Drawn Draw(GoldenCase golden, DiMTrainingConfig config, DiMModel model, AutoencoderKL autoencoder, int step)
    {
        Tensor noise = golden.Get("in.eps")[step];
        Tensor clean = golden.Has("in.moments")
            ? LatentSet.Sample(golden.Get("in.moments")[step], golden.Get("in.vae_noise")[step], autoencoder)
            : golden.Get("in.x0")[step];
        NoisePrediction.Level level = golden.Has("in.n")
            ? NoisePrediction.At(DiscreteNoiseSchedule.ScaledLinear(), Longs(golden.Get("in.n")[step]), CPU)
            : NoisePrediction.At(new LinearNoiseSchedule(), [.. golden.Get("in.t", float64)[step].data<double>()], CPU);
        Tensor? labels = null;
        if (golden.Has("in.y"))
        {
            long[] given = Longs(golden.Get("in.y")[step]);
            double[] draws = golden.Has("in.u") ? [.. golden.Get("in.u", float64)[step].data<double>()] : [.. given.Select(_ => 1.0)];
            labels = tensor(given.Select((label, i) => ConditionDropout.Drops(draws[i], config.LabelDropout) ? model.Config.NullLabel : label).ToArray());
        }
        return new Drawn(clean, noise, level, labels);
    }

    private static long[] Longs(Tensor tensor) => [.. tensor.to(int64).data<long>()];

    private sealed record Drawn(Tensor Clean, Tensor Noise, NoisePrediction.Level Level, Tensor? Labels);

    /// <summary>Compares results with a case's tensors, those that come step by step once they are whole, and knows which were never compared.</summary>
    private sealed class Observations(GoldenCase golden)
    {
        private readonly Dictionary<string, List<Tensor>> _steps = [];
        private readonly HashSet<string> _seen = [];

        internal void Check(string name, Tensor actual)
        {
            if (!golden.Has(name)) return;
            golden.AssertMatches(name, actual);
            _seen.Add(name);
        }

        internal void Add(string name, Tensor actual)
        {
            if (!golden.Has(name)) return;
            if (!_steps.TryGetValue(name, out List<Tensor>? steps)) _steps[name] = steps = [];
            steps.Add(actual);
        }

        internal void AssertAllSeen()
        {
            foreach ((string name, List<Tensor> steps) in _steps)
            {
                // Of changes, cases leave out the first step, which makes none with a warm-up; without one it does.
                int kept = name.EndsWith("_change", StringComparison.Ordinal) ? (int)golden.Tensors[name].Shape[0] : steps.Count;
                Check(name, stack(steps.TakeLast(kept)));
            }
            Assert.DoesNotContain(golden.Tensors.Keys, name => !name.StartsWith("in.", StringComparison.Ordinal) && !_seen.Contains(name));
        }
    }

    /// <summary>A module's tensors as the goldens sum them up: mean, norm and sixteen elements of each, in the case's order.</summary>
    private sealed class ParameterSummary
    {
        private const int Elements = 16;

        private readonly (string Name, Parameter Parameter, Tensor Initial)[] _entries;

        internal ParameterSummary(GoldenCase golden, DiMModel model)
        {
            Dictionary<string, Parameter> parameters = model.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter);
            string[] order = [.. golden.Json["parameter_order"]!.AsArray().Select(name => name!.GetValue<string>())];
            Assert.Equal(order.Order(StringComparer.Ordinal), parameters.Keys.Order(StringComparer.Ordinal));
            _entries = [.. order.Select(name => (name, parameters[name], parameters[name].detach().to(float64)))];
        }

        internal Tensor Gradient(string name) => _entries.Single(entry => entry.Name == name).Parameter.grad!;

        internal Tensor Gradients() => Table(entry => (entry.Parameter.grad ?? zeros_like(entry.Parameter)).to(float64));

        internal Tensor Changes() => Table(entry => entry.Parameter.detach().to(float64) - entry.Initial);

        private Tensor Table(Func<(string Name, Parameter Parameter, Tensor Initial), Tensor> values) => stack(_entries.Select(entry => Row(values(entry).flatten())));

        private static Tensor Row(Tensor values)
        {
            long count = values.numel();
            Tensor places = tensor(Enumerable.Range(0, Elements).Select(j => j * count / Elements).ToArray());
            return cat([values.mean().unsqueeze(0), values.norm().unsqueeze(0), values.index_select(0, places)]);
        }
    }
}
