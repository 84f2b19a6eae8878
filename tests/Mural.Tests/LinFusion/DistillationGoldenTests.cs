using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Mural.LinFusion;
using Mural.Samplers;
using Mural.Tests.Goldens;
using Mural.Tests.UNet;
using Mural.Training;
using Mural.UNet;
using Parameter = TorchSharp.Modules.Parameter;

namespace Mural.Tests.LinFusion;

/// <summary>Steps of the official distillation, repeated with its own draws. A case is recognised by the optimiser that it names.</summary>
[Trait("Area", LinFusionGoldens.Area)]
public partial class DistillationGoldenTests
{
    private const int Samples = 16;

    public static TheoryData<string> Cases =>
        GoldenCase.Names(LinFusionGoldens.Area, golden => golden.Config["optimizer"] is not null && golden.Config["linfusion"] is not null && golden.Has("out.losses"));

    [GoldenTheory, MemberData(nameof(Cases))]
    public void StepsAreRepeated(string name) => Repeat(name, recompute: false);

    // Gradient checkpointing changes no number.
    [GoldenTheory, MemberData(nameof(Cases))]
    public void StepsAreRepeatedWithRecomputedActivations(string name) => Repeat(name, recompute: true);

    private static void Repeat(string name, bool recompute)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open(LinFusionGoldens.Area, name);
        using UNet2DConditionModel teacher = UNetGoldens.Load(golden), student = UNetGoldens.Load(golden);
        student.LoadLinFusion(LinFusionGoldens.Folder(golden));
        Distillation.Freeze(student);
        var parameters = student.LinearAttentions().named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter);
        string[] names = [.. golden.Config["tensor_order_of_stats"]!.AsArray().Select(tensor => tensor!.GetValue<string>())];
        Parameter[] ordered = [.. names.Select(tensor => parameters[tensor])];
        Assert.Equal(parameters.Count, ordered.Length);
        Tensor[] start = [.. ordered.Select(parameter => parameter.detach().clone())];
        // A case may train for another kind of prediction than its model was made for.
        SamplerOptions sampling = SamplerOptions.Load(Path.Combine(golden.ModelFolder, "scheduler")) with
        {
            PredictionType = golden.Config["prediction_type"]!.GetValue<string>() switch
            {
                "epsilon" => PredictionType.Epsilon,
                "v_prediction" => PredictionType.VPrediction,
                string other => throw new InvalidDataException(other),
            },
        };
        using var optimizer = new AdamW(parameters.Select(entry => (entry.Key, entry.Value)), Optimizer(golden));
        double rate = golden.Config["optimizer"]!["lr"]!.GetValue<double>();

        long steps = golden.Tensors["out.losses"].Shape[0];
        var losses = new List<Tensor>();
        int[] kinked = [];
        for (int step = 1; step <= steps; step++)
        {
            optimizer.ClearGradients();
            losses.Add(Backward(golden, sampling, teacher, student, step, recompute));
            if (step == 1)
            {
                Tensor gradients = Stats(ordered.Select(parameter => parameter.grad!));
                kinked = RowsOfAKink(gradients, golden.Get("out.step1.gradient_stats"), names);
                AssertStats("out.step1.gradient_stats", gradients);
                foreach ((string parameter, Parameter value) in parameters)
                    if (golden.Has($"out.step1.gradient.{parameter}")) golden.AssertMatches($"out.step1.gradient.{parameter}", value.grad!);
            }
            optimizer.Update(rate);
            AssertStats($"out.step{step}.update_stats", Stats(ordered.Zip(start, (now, before) => now.detach() - before)));
        }
        golden.AssertMatches("out.losses", stack(losses));
        AssertStats($"out.step{steps}.parameter_stats", Stats(ordered.Select(parameter => parameter.detach())));

        void AssertStats(string name, Tensor actual)
        {
            Tensor expected = golden.Get(name);
            foreach (int row in kinked) actual[row].copy_(expected[row]);
            golden.AssertMatches(name, actual);
        }
    }

    // The slope of a perceptron's LeakyReLU jumps at 0. Where a value is within rounding of it, the layers before it have the gradients of either side, a little apart, and Adam's
    // first steps make more of that: the rows of one perceptron may be so, on some processors. What is wrong would show in the layer behind it, or in others too.
    private static int[] RowsOfAKink(Tensor actual, Tensor expected, string[] names)
    {
        const double Rounding = 1e-3, OneValue = 1e-2;
        static string? PerceptronOf(string name) =>
            name.Contains("_.0.", StringComparison.Ordinal) || name.Contains("_.1.", StringComparison.Ordinal) ? name[..name.IndexOf("_.", StringComparison.Ordinal)] : null;
        double[] distances = (actual - expected).norm(1).div(expected.norm(1)).to(float64).data<double>().ToArray();
        double largest = distances.Max();
        return largest is > Rounding and < OneValue && PerceptronOf(names[Array.IndexOf(distances, largest)]) is { } perceptron
            ? [.. Enumerable.Range(0, names.Length).Where(row => PerceptronOf(names[row]) == perceptron)] : [];
    }

    // Total, noise, output, feature.
    private static Tensor Backward(GoldenCase golden, SamplerOptions sampling, UNet2DConditionModel teacher, UNet2DConditionModel student, int step, bool recompute)
    {
        Tensor In(string what) => golden.Get($"in.step{step}.{what}");
        Tensor timesteps = In("timesteps"), rows = In("text");
        var conditioning = new UNetConditioning(golden.Get("in.encoder_hidden_states").index_select(0, rows))
        {
            PooledText = golden.Has("in.text_embeds") ? golden.Get("in.text_embeds").index_select(0, rows) : null,
            SizeNumbers = golden.Has($"in.step{step}.time_ids") ? In("time_ids") : null,
        };
        using PreparedPrompt taught = teacher.Prepare(conditioning), learned = student.Prepare(conditioning);
        var layers = new List<Tensor>();
        var distillation = new Distillation(teacher, taught, student, learned) { Recompute = recompute, OnLayer = layer => layers.Add(layer.detach().DetachFromDisposeScope()) };
        NoisyLatents latents = NoisyLatents.At(sampling, In("latents"), In("noise"), timesteps.data<long>().ToArray());
        using Teaching teaching = distillation.Teach(latents.Noisy, timesteps);
        DistillationLosses losses = distillation.Losses(latents.Noisy, timesteps, latents.Target, teaching);
        if (step == 1)
        {
            golden.AssertMatches("mid.step1.noisy_latents", latents.Noisy);
            golden.AssertMatches("mid.step1.feature_mse", stack(layers));
        }
        (double output, double feature) = Weights(golden);
        Tensor total = losses.Total(output, feature);
        total.backward();
        foreach (Tensor layer in layers) layer.Dispose();
        return stack(new[] { total, losses.Noise, losses.Output, losses.Feature }.Select(loss => loss.detach()));
    }

    private static OptimizerConfig Optimizer(GoldenCase golden)
    {
        JsonNode optimizer = golden.Config["optimizer"]!;
        Assert.Equal("AdamW", optimizer["name"]!.GetValue<string>());
        Assert.False(optimizer["amsgrad"]?.GetValue<bool>() == true, $"{golden.Name} keeps the largest second moments, which no trainer of LinFusion does");
        return new OptimizerConfig
        {
            Betas = [.. optimizer["betas"]!.AsArray().Select(beta => beta!.GetValue<double>())],
            Eps = optimizer["eps"]!.GetValue<double>(),
            WeightDecay = optimizer["weight_decay"]!.GetValue<double>(),
        };
    }

    // The case writes its loss as a sum.
    private static (double Output, double Feature) Weights(GoldenCase golden)
    {
        const double Released = 0.5;
        if (golden.Config["loss"]?.GetValue<string>() is not { } sum) return (Released, Released);
        Match match = Sum().Match(sum);
        Assert.True(match.Success, $"{golden.Name} has another loss: {sum}");
        double Weight(string name) => match.Groups[name].Success ? double.Parse(match.Groups[name].Value, CultureInfo.InvariantCulture) : 0;
        return (Weight("kd"), Weight("feature"));
    }

    [GeneratedRegex(@"^noise(?: \+ (?<kd>[\d.]+(?:e-?\d+)?) kd)?(?: \+ (?<feature>[\d.]+(?:e-?\d+)?) feature)?(?: \(|$)")]
    private static partial Regex Sum();

    // Mean, norm, and elements spread over the tensor.
    private static Tensor Stats(IEnumerable<Tensor> tensors) => stack(tensors.Select(value =>
    {
        using var scope = NewDisposeScope();
        Tensor flat = value.to(float64).flatten();
        Tensor picked = flat.index_select(0, tensor(Enumerable.Range(0, Samples).Select(i => i * (flat.numel() - 1) / (Samples - 1)).ToArray()));
        return cat([flat.mean().unsqueeze(0), flat.norm().unsqueeze(0), picked]).MoveToOuterDisposeScope();
    }));
}
