using System.Text.Json.Nodes;
using Mural.Samplers;
using Mural.Tests.Goldens;

namespace Mural.Tests.Samplers.StableDiffusion;

[Trait("Area", "schedulers")]
public class SamplerGoldenTests
{
    public static TheoryData<string, string> Runs => SchedulerGoldens.Runs(golden => golden.Config["fake_model"] is not null);

    [GoldenTheory, MemberData(nameof(Runs))]
    public void OfficialRunIsRepeated(string name, string runName)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open(SchedulerGoldens.Area, name);
        JsonObject run = SchedulerGoldens.Run(golden, runName);
        SamplerOptions options = SchedulerGoldens.Options(golden, run);
        Sampler sampler = Sampler.Create(options, SchedulerGoldens.Steps(options, run));
        CheckTables(golden, run, sampler);
        if (SchedulerGoldens.Text(run, "kind") != "table") CheckLoop(golden, run, sampler);
    }

    private static void CheckTables(GoldenCase golden, JsonObject run, Sampler sampler)
    {
        double[] timesteps = Timesteps(golden, run);
        // The class truncates fractional timesteps, and rounding decides whether the first falls short of a whole one.
        double slack = run["timesteps_are_the_float32_ones"] is null ? 0 : 1;
        Assert.Equal(timesteps[0], sampler.Timesteps[0], slack + 2e-5 * Math.Max(timesteps[0], 1));
        Assert.Equal(timesteps.Skip(1), sampler.Timesteps.Skip(1), (a, b) => Math.Abs(a - b) <= 2e-5 * Math.Max(a, 1));
        Match(golden, run, "init_noise_sigma", tensor(new[] { sampler.InitialNoiseSigma }));
        if (golden.Has($"out.{run["name"]}.sigmas")) Match(golden, run, "sigmas", tensor(sampler.Sigmas.ToArray()));
        else Match(golden, run, "alphas_cumprod_at_timesteps", tensor(sampler.Timesteps.Select(timestep => sampler.Table.AlphaBar((int)timestep)).ToArray()));
    }

    private static void CheckLoop(GoldenCase golden, JsonObject run, Sampler sampler)
    {
        Tensor latent = golden.Get("in.latent"), start = latent * sampler.InitialNoiseSigma;
        int first = 0, last = -1;
        double[] timesteps = Timesteps(golden, run);
        if (run["strength"] is { } strength && SchedulerGoldens.Text(run, "kind") == "img2img")
        {
            first = sampler.FirstCall(strength.GetValue<double>());
            Assert.Equal(run["begin_index"]!.GetValue<int>(), first);
            start = sampler.AddNoise(golden.Get("in.image"), latent, first);
            Match(golden, run, "noised", start);
            Match(golden, run, "img2img_timesteps", tensor(sampler.Timesteps.Skip(first).ToArray()));
        }
        List<Tensor> inputs = [], states = [];
        List<int> draws = [];
        Tensor Network(Tensor input, DenoiserCall call)
        {
            last = call.Index;
            inputs.Add(input.clone().DetachFromDisposeScope());
            return SchedulerGoldens.MadeUpNetwork(golden.Config, input, run["timesteps_are_the_float32_ones"] is null ? call.Timestep : timesteps[first + call.Index]);
        }
        Tensor Noise(Tensor like)
        {
            draws.Add(last);
            return golden.Get("in.noise")[draws.Count - 1];
        }
        Tensor Keep(Tensor state, int next)
        {
            states.Add(state.clone().DetachFromDisposeScope());
            return state;
        }
        Tensor result = sampler.Sample(Network, start, Noise, first.., Keep, cancellationToken: TestContext.Current.CancellationToken);

        Assert.True(result.Equals(states[^1]));
        if (IsCut(sampler))
        {
            Tensor end = states[^1];
            states[^1] = sampler.AddNoise(end, Noise(end), sampler.Timesteps.Count - 1).DetachFromDisposeScope();
            end.Dispose();
        }
        Match(golden, run, "trajectory", stack(states));
        string scaled = $"mid.{run["name"]}.scaled_input_first_last";
        if (golden.Has(scaled)) golden.AssertMatches(scaled, stack([inputs[0], inputs[^1]]), run["tolerance"]);
        Assert.Equal(run["noise_drawn_at_loop_index"]?.AsArray().Select(index => index!.GetValue<int>()) ?? [], draws);
        foreach (Tensor kept in inputs.Concat(states)) kept.Dispose();
    }

    // Where a list of timesteps is cut, LCM's class counts its steps by the whole list, so that it takes the last one for one of those before and noises the clean latent once
    // more. Its pipelines show the latent of before, which the class gives beside that one.
    private static bool IsCut(Sampler sampler) => sampler.Options.Sampler == SamplerKind.Lcm && sampler.Options.CustomTimesteps?.Count > sampler.Timesteps.Count;

    private static double[] Timesteps(GoldenCase golden, JsonObject run) => golden.Get($"out.{run["name"]}.timesteps", float64).data<double>().ToArray();

    // The files hold 32 bits, whose steps at the largest noise level are wider than some runs' tolerance.
    private static void Match(GoldenCase golden, JsonObject run, string what, Tensor actual) =>
        golden.AssertMatches($"out.{run["name"]}.{what}", actual.to(float32), run["tolerance"]);
}
