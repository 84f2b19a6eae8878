using System.Text.Json.Nodes;
using Mural.Samplers;
using Mural.Tests.Goldens;

namespace Mural.Tests.Samplers.StableDiffusion;

/// <summary>The cases of the area: each holds runs of one scheduler class under different settings, and a made-up network.</summary>
internal static class SchedulerGoldens
{
    public const string Area = "schedulers";

    /// <summary>Case and run of every configuration that <paramref name="accepts"/> recognises.</summary>
    public static TheoryData<string, string> Runs(Func<GoldenCase, bool> accepts)
    {
        var rows = new TheoryData<string, string>();
        foreach (ITheoryDataRow row in GoldenCase.Names(Area, golden => golden.Config["runs"] is JsonArray && accepts(golden)))
        {
            string name = (string)row.GetData()[0]!;
            using GoldenCase golden = GoldenCase.Open(Area, name);
            foreach (JsonNode? run in golden.Config["runs"]!.AsArray()) rows.Add(name, Text(run!, "name"));
        }
        return rows;
    }

    public static JsonObject Run(GoldenCase golden, string name) => golden.Config["runs"]!.AsArray().Single(run => Text(run!, "name") == name)!.AsObject();

    /// <summary>The options of a run, read as a checkpoint's configuration is, with what the class takes when it is called.</summary>
    public static SamplerOptions Options(GoldenCase golden, JsonObject run)
    {
        JsonObject config = run["scheduler_config"]!.DeepClone().AsObject();
        config["_class_name"] = Text(run["scheduler_class"] is null ? golden.Config : run, "scheduler_class");
        SamplerOptions options = SchedulerConfig.Read(config, Text(run, "name"));
        // An argument of null is one that was not given.
        foreach ((string key, JsonNode? value) in (run["set_timesteps"] as JsonObject ?? []).Concat(run["step_args"] as JsonObject ?? []).Where(entry => entry.Value is not null))
        {
            options = key switch
            {
                "num_inference_steps" => options,
                "original_inference_steps" => options with { OriginalInferenceSteps = value!.GetValue<int>() },
                "strength" => options with { OriginalStepsShare = GoldenCase.Number(value!) },
                "timesteps" => options with { CustomTimesteps = [.. Numbers(value!)] },
                "sigmas" => options with { CustomSigmas = [.. Numbers(value!)] },
                "eta" => options with { Eta = GoldenCase.Number(value!) },
                "use_clipped_model_output" => options with { UseClippedModelOutput = value!.GetValue<bool>() },
                "order" => options with { LmsOrder = value!.GetValue<int>() },
                "s_churn" => options with { Churn = options.Churn with { Amount = GoldenCase.Number(value!) } },
                "s_tmin" => options with { Churn = options.Churn with { Lowest = GoldenCase.Number(value!) } },
                "s_tmax" => options with { Churn = options.Churn with { Highest = GoldenCase.Number(value!) } },
                "s_noise" => options with { Churn = options.Churn with { Deviation = GoldenCase.Number(value!) } },
                _ => throw new InvalidOperationException($"unknown argument '{key}'"),
            };
        }
        return options;
    }

    public static int Steps(SamplerOptions options, JsonNode run) =>
        options.CustomTimesteps?.Count ?? options.CustomSigmas?.Count - 1 ?? (run["set_timesteps"]?["num_inference_steps"] ?? run["num_inference_steps"])!.GetValue<int>();

    /// <summary>m = tanh(a x + b sin(t/100)).</summary>
    public static Tensor MadeUpNetwork(JsonNode config, Tensor input, double timestep)
    {
        using var scope = NewDisposeScope();
        double a = config["fake_model"]!["a"]!.GetValue<double>(), b = config["fake_model"]!["b"]!.GetValue<double>();
        return tanh(a * input + b * Math.Sin(timestep / 100)).MoveToOuterDisposeScope();
    }

    public static string Text(JsonNode node, string key) => node[key]!.GetValue<string>();

    private static IEnumerable<double> Numbers(JsonNode list) => list.AsArray().Select(value => GoldenCase.Number(value!));
}
