using System.Globalization;
using System.Text.Json.Nodes;
using Mural.Runtime;
using Mural.Tests.Goldens;

namespace Mural.Tests.Runtime.Random;

[Trait("Area", "rng")]
public class PhiloxRandomTests
{
    private const string KnownAnswers = "known_answers_of_the_block_function";

    public static TheoryData<string> Cases => GoldenCase.Names("rng", golden =>
        golden.Config[KnownAnswers] is not null
            || golden.Tensors.Keys.Any(key => key.Contains(".call", StringComparison.Ordinal) || key.StartsWith("out.grid.", StringComparison.Ordinal)));

    [GoldenTheory, MemberData(nameof(Cases))]
    public void BlocksAreThoseOfTheAuthors(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("rng", name);
        foreach (JsonNode? answer in golden.Config[KnownAnswers]?.AsArray() ?? [])
        {
            uint[] counter = Words(answer!["counter"]!), key = Words(answer["key"]!);
            (uint a, uint b, uint c, uint d) = Philox.Block((counter[0], counter[1], counter[2], counter[3]), (key[0], key[1]));
            Assert.Equal(answer["output"]!.GetValue<string>(), $"{a:x8} {b:x8} {c:x8} {d:x8}");
        }
        foreach (string tensor in golden.Tensors.Keys.Where(key => key.EndsWith(".first_words", StringComparison.Ordinal)))
        {
            long seed = Seeds.Read(tensor.Split('.')[1]);
            long[,] words = new long[golden.Tensors[tensor].Shape[0], 4];
            for (uint thread = 0; thread < words.GetLength(0); thread++)
                (words[thread, 0], words[thread, 1], words[thread, 2], words[thread, 3]) = Philox.Block((0, 0, thread, 0), ((uint)seed, (uint)(seed >> 32)));
            Assert.True(golden.Get(tensor).IsSameAs(torch.tensor(words)), tensor);
        }
    }

    // out.<seed>.n<n>.call<k>
    [GoldenTheory, MemberData(nameof(Cases))]
    public void NormalsFollowTheCalls(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("rng", name);
        var calls = golden.Tensors.Keys.Where(key => key.Contains(".call", StringComparison.Ordinal)).Select(key => key.Split('.'))
            .GroupBy(parts => (Seed: parts[1], Count: parts[2]));
        foreach (var group in calls)
        {
            using var random = new PhiloxRandom(Seeds.Read(group.Key.Seed));
            foreach (string[] parts in group.OrderBy(parts => Whole(parts[3]["call".Length..])))
                golden.AssertMatches(string.Join('.', parts), random.Normal([Whole(parts[2][1..])]));
        }
        if (golden.Config["published_normals_seed_0"] is not JsonArray published) return;
        using var zero = new PhiloxRandom(0);
        Tensor expected = torch.tensor(published.Select(n => n!.GetValue<double>()).ToArray());
        double allowed = golden.Json["tolerance"]!["max_abs"]!.GetValue<double>();
        Assert.InRange((zero.Normal([published.Count]).to(float64) - expected).abs().max().item<double>(), 0, allowed);
    }

    // out.grid.seed<seed>.threads<T>.n<n>
    [GoldenTheory, MemberData(nameof(Cases))]
    public void TensorsLargerThanTheGridTakeEveryNormal(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("rng", name);
        foreach (string output in golden.Tensors.Keys.Where(key => key.StartsWith("out.grid.", StringComparison.Ordinal)))
        {
            string[] parts = output.Split('.');
            using var random = new PhiloxRandom(Seeds.Read(parts[2]["seed".Length..]), Whole(parts[3]["threads".Length..]));
            golden.AssertMatches(output, random.Normal([Whole(parts[4][1..])]));
        }
    }

    [Fact]
    public void ALargeCallAdvancesByItsRounds()
    {
        using var scope = NewDisposeScope();
        using PhiloxRandom grid = new(5, gridThreads: 16), plain = new(5);
        grid.Normal([16 * 4 * 2 + 1]);
        for (int call = 0; call < 3; call++) plain.Normal([1]);
        Assert.True(grid.Normal([16]).IsSameAs(plain.Normal([16])));
    }

    [Fact]
    public void HalfTypesAreRoundedAndShapesFilledInOrder()
    {
        using var scope = NewDisposeScope();
        using PhiloxRandom half = new(9), full = new(9);
        Assert.True(half.Normal([2, 3, 5], ScalarType.BFloat16).IsSameAs(full.Normal([30]).reshape(2, 3, 5).to(bfloat16)));
    }

    private static long Whole(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    private static uint[] Words(JsonNode node) => [.. node.AsArray().Select(word => uint.Parse(word!.GetValue<string>(), NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
}
