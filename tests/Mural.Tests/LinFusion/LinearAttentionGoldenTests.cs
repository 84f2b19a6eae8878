using Mural.Attention;
using Mural.LinFusion;
using Mural.Tests.Goldens;

namespace Mural.Tests.LinFusion;

/// <summary>The module against the official code. A case is recognised by the one module's weights that it brings.</summary>
[Trait("Area", LinFusionGoldens.Area)]
public class LinearAttentionGoldenTests
{
    // No map is looked at.
    private static readonly MapSize Map = new(1, 1);

    public static TheoryData<string> Modules => GoldenCase.Names(LinFusionGoldens.Area, golden => LinFusionGoldens.HasModule(golden) && golden.Has("in.upstream"));

    public static TheoryData<string> Parts => GoldenCase.Names(LinFusionGoldens.Area, golden => LinFusionGoldens.HasModule(golden) && golden.Has("out.partial_sums"));

    [GoldenTheory, MemberData(nameof(Modules))]
    public void MatchesTheOfficialModule(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open(LinFusionGoldens.Area, name);
        using LinearAttention module = LinFusionGoldens.Module(golden);
        Tensor tokens = golden.Get("in.x");
        using (no_grad()) AssertOutput(golden, module.Forward(tokens, Map));

        tokens.requires_grad = true;
        Tensor output = module.Forward(tokens, Map);
        AssertOutput(golden, output.detach());
        output.backward([golden.Get("in.upstream")]);
        golden.AssertMatches("out.grad.x", tokens.grad!);
        foreach ((string parameter, TorchSharp.Modules.Parameter value) in module.named_parameters()) golden.AssertMatches($"out.grad.{parameter}", value.grad!);
    }

    [GoldenTheory, MemberData(nameof(Modules))]
    public void IsCloseInReducedPrecision(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients(LinFusionGoldens.Area, name);
        using LinearAttention module = LinFusionGoldens.Module(golden);
        foreach ((ScalarType type, string key) in new[] { (bfloat16, "bfloat16"), (float16, "float16") })
        {
            Tensor output = module.Forward(golden.Get("in.x", type), Map);
            Assert.Equal(type, output.dtype);
            // What the official code reaches in that type, which sums in it; where it overflows, this must not.
            double official = golden.Config["relative_l2_of_official_low_precision_run"]?[key] is System.Text.Json.Nodes.JsonValue value && value.TryGetValue(out double reached)
                ? reached : 0;
            Assert.InRange(LinFusionGoldens.Distance(output, golden.Get("out.y")), 0, Math.Max(5e-2, official));
        }
    }

    // What workers that share a picture exchange: sums of unequal parts add up, means of equal ones can be averaged.
    [GoldenTheory, MemberData(nameof(Parts))]
    public void PartsOfTheTokensGiveTheWhole(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients(LinFusionGoldens.Area, name);
        using LinearAttention module = LinFusionGoldens.Module(golden);
        Tensor tokens = golden.Get("in.x"), later = golden.Get("in.x2");
        long count = tokens.shape[1];
        golden.AssertMatches("out.whole", module.Forward(tokens, Map));
        golden.AssertMatches("out.whole_step2", module.Forward(later, Map));

        long[] cuts = [0, .. golden.Config["unequal_cuts"]!.AsArray().Select(cut => cut!.GetValue<long>()), count];
        Tensor[] shards = [.. cuts.Zip(cuts.Skip(1), (start, end) => tokens.narrow(1, start, end - start))];
        Tensor[] sums = [.. shards.Select(module.Sums)];
        golden.AssertMatches("out.partial_sums", stack(sums.Select(Flat)));
        Tensor means = sums.Aggregate((one, other) => one + other) / count;
        golden.AssertMatches("out.from_partial_sums", cat([.. shards.Select(shard => module.Attend(shard, means))], 1));
        Tensor unweighted = sums.Zip(shards, (sum, shard) => sum / shard.shape[1]).Aggregate((one, other) => one + other) / shards.Length;
        Tensor wrong = cat([.. shards.Select(shard => module.Attend(shard, unweighted))], 1);
        golden.AssertMatches("mid.wrong_unweighted_mean", wrong);
        // At least half of what the case measured.
        double measured = golden.Config["relative_l2"]!["unweighted_mean_of_unequal_slabs_against_whole"]!.GetValue<double>();
        Assert.True(LinFusionGoldens.Distance(wrong, golden.Get("out.whole")) > measured / 2);

        int ranks = golden.Config["ranks"]!.GetValue<int>();
        Tensor[] slabs = tokens.chunk(ranks, 1), laterSlabs = later.chunk(ranks, 1);
        Tensor[] states = [.. slabs.Select(slab => module.Sums(slab) / slab.shape[1])];
        golden.AssertMatches("out.rank_states", stack(states.Select(Flat)));
        Tensor average = states.Aggregate((one, other) => one + other) / ranks;
        golden.AssertMatches("out.ranks_synchronous", cat([.. slabs.Select(slab => module.Attend(slab, average))], 1));
        // The official asynchronous mode: a rank's own state is fresh, the others' are those of the step before.
        Tensor Stale(int rank) => average + (module.Sums(laterSlabs[rank]) / laterSlabs[rank].shape[1] - states[rank]) / ranks;
        golden.AssertMatches("out.stale_step2", cat([.. laterSlabs.Select((slab, rank) => module.Attend(slab, Stale(rank)))], 1));
    }

    [GoldenTheory, MemberData(nameof(Parts))]
    public void AnyNumberOfPartsGivesTheWhole(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients(LinFusionGoldens.Area, name);
        using LinearAttention module = LinFusionGoldens.Module(golden);
        Tensor tokens = golden.Get("in.x");
        foreach (int parts in new[] { 1, 2, 3, 5 })
        {
            // Uneven on purpose: the first parts are the smallest.
            long[] cuts = [.. Enumerable.Range(0, parts + 1).Select(part => tokens.shape[1] * part * part / (parts * parts))];
            Tensor[] shards = [.. cuts.Zip(cuts.Skip(1), (start, end) => tokens.narrow(1, start, end - start))];
            Tensor means = shards.Select(module.Sums).Aggregate((one, other) => one + other) / tokens.shape[1];
            golden.AssertMatches("out.whole", cat([.. shards.Select(shard => module.Attend(shard, means))], 1));
        }
    }

    private static Tensor Flat(Tensor state) => state.flatten(0, 1);

    // Rows that a case lists with a tolerance of their own are checked by it too.
    private static void AssertOutput(GoldenCase golden, Tensor output)
    {
        const string Rows = "out.y.tokens";
        golden.AssertMatches("out.y", output);
        foreach (string rows in golden.Tensors.Keys.Where(key => key.StartsWith(Rows, StringComparison.Ordinal)))
        {
            long[] ends = [.. rows[Rows.Length..].Split('-').Select(long.Parse)];
            golden.AssertMatches(rows, output.narrow(1, ends[0], ends[1] - ends[0] + 1));
        }
    }
}
