using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mural.Runtime;
using Mural.Tests.Goldens;

namespace Mural.Tests.Runtime.Random;

[Trait("Area", "rng")]
public class SeededRandomTests
{
    public static TheoryData<string> NormalCases => GoldenCase.Names("rng", golden => golden.Tensors.Keys.Any(IsNormal));

    public static TheoryData<string> UniformCases => GoldenCase.Names("rng", golden => golden.Tensors.Keys.Any(IsUniform) || golden.Config["bf16_wrap"] is not null);

    public static TheoryData<string> SequenceCases => GoldenCase.Names("rng", golden => golden.Config["calls"] is not null);

    // out.<seed>.<dtype>.n<size>
    [GoldenTheory, MemberData(nameof(NormalCases))]
    public void NormalsAreThoseOfPyTorch(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("rng", name);
        foreach (string output in golden.Tensors.Keys.Where(IsNormal))
        {
            string[] parts = output.Split('.');
            using var random = new SeededRandom(Seeds.Read(parts[1]));
            Tensor expected = golden.Get(output), drawn = random.Normal(expected.shape, expected.dtype);
            Assert.Equal(expected.dtype, drawn.dtype);
            if (expected.dtype == float16 || expected.dtype == bfloat16) AssertOneUnitAway(output, expected, drawn);
            else
            {
                double allowed = golden.Json["tolerance"]!["max_abs"]![parts[2]]!.GetValue<double>();
                double difference = (expected - drawn).abs().max().to(float64).item<double>();
                Assert.True(difference <= allowed, $"{output} differs by {difference}");
            }
        }
    }

    // The low 24 bits of a word are a float32 uniform.
    [GoldenTheory, MemberData(nameof(NormalCases))]
    public void WordsAreThoseOfTheMersenneTwister(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("rng", name);
        foreach (string key in golden.Tensors.Keys.Where(key => key.EndsWith(".first_words", StringComparison.Ordinal)))
        {
            using var random = new SeededRandom(Seeds.Read(key.Split('.')[1]));
            Tensor words = golden.Get(key);
            Assert.True((random.Uniform(words.shape) * (1 << 24)).to(int64).IsSameAs(words & 0xFFFFFF), key);
        }
    }

    // out.<seed>.rand.<dtype>, out.<seed>.randint.<lo>_<hi>, out.<seed>.randperm.<n>
    [GoldenTheory, MemberData(nameof(UniformCases))]
    public void UniformsAndWholeNumbersAreThoseOfPyTorch(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("rng", name);
        foreach (string output in golden.Tensors.Keys.Where(IsUniform))
        {
            string[] parts = output.Split('.');
            using var random = new SeededRandom(Seeds.Read(parts[1]));
            Tensor expected = golden.Get(output);
            Tensor drawn = parts[2] switch
            {
                "rand" => random.Uniform(expected.shape, expected.dtype),
                "randint" => parts[3].Split('_') is [{ } low, { } high] ? random.Integers(Whole(low), Whole(high), expected.shape) : throw new InvalidDataException(output),
                "randperm" => random.Permutation(Whole(parts[3])),
                _ => throw new InvalidDataException(output),
            };
            Assert.Equal(expected.dtype, drawn.dtype);
            Assert.True(expected.IsSameAs(drawn), output);
        }
        if (golden.Config["bf16_wrap"] is not { } wrap) return;
        using var wrapping = new SeededRandom(Seeds.Read(wrap["seed"]!.ToString()));
        Tensor halves = wrapping.Uniform([wrap["n"]!.GetValue<long>()], ScalarType.BFloat16);
        Assert.True(halves[golden.Get("out.bf16_wrap.index")].IsSameAs(golden.Get("out.bf16_wrap.value")));
        Assert.True(halves.max().to(float32).item<float>() < 1);
    }

    [GoldenTheory, MemberData(nameof(SequenceCases))]
    public void StateBetweenCallsIsThatOfPyTorch(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("rng", name);
        using var random = new SeededRandom(Seeds.Read(golden.Config["seed"]!.ToString()));
        int index = 0;
        foreach (JsonNode? call in golden.Config["calls"]!.AsArray())
        {
            string output = $"out.{index++}";
            AssertClose(golden, output, Draw(random, call!.AsArray(), golden.Tensors[output].Type));
        }
        string? latent = golden.Tensors.Keys.SingleOrDefault(key => key.StartsWith("out.latent_", StringComparison.Ordinal) && key != "out.latent_again");
        if (latent is null) return;
        using var fresh = new SeededRandom(random.Seed);
        foreach (string output in (string[])[latent, "out.latent_again"]) AssertClose(golden, output, fresh.Normal(golden.Tensors[output].Shape, golden.Tensors[output].Type));
    }

    [Fact]
    public void OnlyTheLow32BitsOfTheSeedCount()
    {
        using var scope = NewDisposeScope();
        using var small = new SeededRandom(7);
        using var large = new SeededRandom(7 + (5L << 32));
        Assert.True(small.Normal([20]).IsSameAs(large.Normal([20])));
        using var negative = new SeededRandom(-1);
        using var positive = new SeededRandom(uint.MaxValue);
        Assert.True(negative.Normal([20]).IsSameAs(positive.Normal([20])));
    }

    [Theory, InlineData(ScalarType.Float16), InlineData(ScalarType.BFloat16)]
    public void HalfNoiseOfWholeBlocksIsTheFullNoiseRounded(ScalarType type)
    {
        using var scope = NewDisposeScope();
        using SeededRandom half = new(3), full = new(3);
        Assert.True(half.Normal([2, 4, 8, 8], type).IsSameAs(full.Normal([2, 4, 8, 8]).to(type)));
        Assert.True(half.Normal([5]).IsSameAs(full.Normal([5])));
    }

    [Fact]
    public void ImpossibleRangesAreRefused()
    {
        using var random = new SeededRandom(0);
        Assert.Throws<ArgumentOutOfRangeException>(() => random.Integers(3, 3, [1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => random.Permutation(-1));
    }

    private static bool IsNormal(string tensor) => tensor.Split('.') is ["out", _, "f32" or "f64" or "f16" or "bf16", ['n', ..]];

    private static bool IsUniform(string tensor) => tensor.Split('.') is ["out", _, "rand" or "randint" or "randperm", _];

    private static long Whole(string text) => long.Parse(text, CultureInfo.InvariantCulture);

    // A function of PyTorch and its arguments, the last of which is a size or a list of sizes; behind it may stand the type, which the result tells too.
    private static Tensor Draw(SeededRandom random, JsonArray call, ScalarType type)
    {
        long Number(int place) => call[place]!.GetValue<long>();
        long[] Shape(int place) => call[place] is JsonArray sizes ? [.. sizes.Select(size => size!.GetValue<long>())] : [Number(place)];
        bool typed = call.Count > 2 && call[^1]!.GetValueKind() == JsonValueKind.String;
        return (call[0]!.GetValue<string>(), typed ? call.Count - 1 : call.Count) switch
        {
            ("randn", 2) => random.Normal(Shape(1), type),
            ("rand", 2) => random.Uniform(Shape(1), type),
            ("randint", 3) => random.Integers(0, Number(1), Shape(2)),
            ("randint", 4) => random.Integers(Number(1), Number(2), Shape(3)),
            ("randperm", 2) => random.Permutation(Number(1)),
            _ => throw new InvalidDataException($"The call {call.ToJsonString()} is none that the generator has."),
        };
    }

    private static void AssertClose(GoldenCase golden, string output, Tensor drawn)
    {
        Tensor expected = golden.Get(output);
        Assert.Equal(expected.dtype, drawn.dtype);
        Assert.Equal(expected.shape, drawn.shape);
        if (expected.dtype is ScalarType.Float16 or ScalarType.BFloat16) AssertOneUnitAway(output, expected, drawn);
        else golden.AssertMatches(output, drawn);
    }

    // Bits of one sign are ordered like their values, so neighbours are one apart.
    private static void AssertOneUnitAway(string output, Tensor expected, Tensor drawn)
    {
        ReadOnlySpan<short> wanted = MemoryMarshal.Cast<byte, short>(expected.bytes), got = MemoryMarshal.Cast<byte, short>(drawn.bytes);
        for (int i = 0; i < wanted.Length; i++) Assert.True(Math.Abs(wanted[i] - got[i]) <= 1, $"{output}[{i}]");
    }
}
