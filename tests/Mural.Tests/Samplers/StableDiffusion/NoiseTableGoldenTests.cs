using System.Text.Json.Nodes;
using Mural.Samplers;
using Mural.Tests.Goldens;

namespace Mural.Tests.Samplers.StableDiffusion;

[Trait("Area", "schedulers")]
public class NoiseTableGoldenTests
{
    public static TheoryData<string, string> Tables => SchedulerGoldens.Runs(golden => golden.Has("in.pick"));

    public static TheoryData<string, string> Noisings => SchedulerGoldens.Runs(golden => golden.Config["runs"]![0]!["timesteps_per_batch_entry"] is not null);

    // Not a case of tensors: rows of steps, strength and where the run starts.
    public static TheoryData<string> Starts => GoldenCase.NamesByJson(SchedulerGoldens.Area, json => Rows(json) is not null);

    [GoldenTheory, MemberData(nameof(Tables))]
    public void BetasAreTheOfficialOnes(string name, string runName)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open(SchedulerGoldens.Area, name);
        JsonObject run = SchedulerGoldens.Run(golden, runName), config = run.DeepClone().AsObject();
        config["num_train_timesteps"] ??= golden.Config["num_train_timesteps"]?.DeepClone();
        SamplerOptions options = SchedulerConfig.Read(config, runName);
        double[] betas = BetaTable.Create(options.BetaSchedule!.Value, options.TrainTimesteps, options.BetaStart ?? 0.0001, options.BetaEnd ?? 0.02);
        var table = new NoiseTable(betas, options.RescaleBetasZeroSnr);
        long[] picked = golden.Get("in.pick").data<long>().ToArray();
        golden.AssertMatches($"out.{runName}.betas", tensor(picked.Select(step => table.Beta((int)step)).ToArray()), run["tolerance"]!["betas"]);
        golden.AssertMatches($"out.{runName}.alphas_cumprod", tensor(picked.Select(step => table.AlphaBar((int)step)).ToArray()), run["tolerance"]!["alphas_cumprod"]);
    }

    [GoldenTheory, MemberData(nameof(Noisings))]
    public void NoiseIsAddedAsTheOfficialClassDoes(string name, string runName)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open(SchedulerGoldens.Area, name);
        JsonObject run = SchedulerGoldens.Run(golden, runName);
        SamplerOptions options = SchedulerGoldens.Options(golden, run);
        Sampler sampler = Sampler.Create(options with { SkipPrkSteps = true }, SchedulerGoldens.Steps(options, run));
        double[] timesteps = [.. run["timesteps_per_batch_entry"]!.AsArray().Select(timestep => timestep!.GetValue<double>())];
        Tensor[] images = golden.Get("in.image").split(1), noises = golden.Get("in.noise").split(1);
        Tensor Entries(Func<Tensor, Tensor, int, Tensor> entry) => cat([.. timesteps.Select((_, i) => entry(images[i], noises[i], i))]);

        golden.AssertMatches(
            $"out.{runName}.add_noise", Entries((image, noise, i) => sampler.AddNoise(image, noise, SigmaOf(sampler, timesteps[i]))), run["tolerance"]!["add_noise"]);
        if (!golden.Has($"out.{runName}.velocity")) return;
        // Euler's class looks its table up by the step's index instead of the timestep; the target itself is the same.
        double Sigma(double timestep) => WholeTimesteps.Sigma(sampler.Table.AlphaBar(options.Sampler == SamplerKind.Euler ? Index(sampler, timestep) : (int)timestep));
        golden.AssertMatches($"out.{runName}.velocity", Entries((image, noise, i) => Prediction.Velocity(image, noise, Sigma(timesteps[i]))), run["tolerance"]!["velocity"]);
    }

    [GoldenTheory, MemberData(nameof(Starts))]
    public void ImageToImageStartsWhereTheOfficialPipelineDoes(string name)
    {
        foreach (JsonNode? row in Rows(GoldenCase.ReadJson(SchedulerGoldens.Area, name))!)
        {
            var config = new JsonObject
            {
                ["_class_name"] = SchedulerGoldens.Text(row!, "class"),
                ["timestep_spacing"] = "leading",
                ["steps_offset"] = 1,
                ["skip_prk_steps"] = true,
            };
            Sampler sampler = Sampler.Create(SchedulerConfig.Read(config, name), row!["steps"]!.GetValue<int>());
            Assert.Equal(row["list_length"]!.GetValue<int>(), sampler.Timesteps.Count);
            double strength = row["strength"]!.GetValue<double>();
            int calls = row["model_calls"]!.GetValue<int>();
            if (calls == 0)
            {
                Assert.Throws<MuralException>(() => sampler.FirstCall(strength));
                continue;
            }
            int first = sampler.FirstCall(strength);
            Assert.Equal((calls, row["first_timestep"]!.GetValue<double>()), (sampler.Timesteps.Count - first, sampler.Timesteps[first]));
        }
    }

    private static JsonArray? Rows(JsonObject json) => json["config"]?["rows"] as JsonArray;

    // The class takes the second of equal timesteps; solvers take the last for one that is not in their list, those that work on the table need not have it there.
    private static double SigmaOf(Sampler sampler, double timestep) => sampler.Timesteps.Any(listed => IsSame(listed, timestep)) ? sampler.Sigmas[Index(sampler, timestep)]
        : sampler.Options.Sampler is SamplerKind.DpmMultistep or SamplerKind.DpmSinglestep or SamplerKind.UniPc or SamplerKind.Deis ? sampler.Sigmas[sampler.Timesteps.Count - 1]
        : WholeTimesteps.Sigma(sampler.Table.AlphaBar((int)timestep));

    private static int Index(Sampler sampler, double timestep)
    {
        int[] indices = [.. sampler.Timesteps.Index().Where(entry => IsSame(entry.Item, timestep)).Select(entry => entry.Index)];
        return indices[Math.Min(1, indices.Length - 1)];
    }

    // The class keeps timesteps in 32 bits, which fractional ones show.
    private static bool IsSame(double listed, double timestep) => Math.Abs(listed - timestep) <= 1e-6 * Math.Max(listed, 1);
}
