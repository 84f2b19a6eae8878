using System.Text.Json.Nodes;
using Mural.Tests.Goldens;
using Mural.Text;

namespace Mural.Tests.Text;

/// <summary>A1111's prompt syntax against its own parser. A case is recognised by the lists in its json.</summary>
[Trait("Area", "text")]
public class PromptGoldenTests
{
    public static TheoryData<string> Weights => Cases("attention");

    public static TheoryData<string> Schedules => Cases("schedules");

    public static TheoryData<string> Conjunctions => Cases("and");

    [GoldenTheory, MemberData(nameof(Weights))]
    public void BracketsWeighAsInWebUi(string name)
    {
        foreach ((string text, JsonNode row, double tolerance) in Rows(name, "attention"))
        {
            IReadOnlyList<PromptFragment> actual = PromptWeights.Parse(text);
            AssertPairs(text, row["pieces"]!, actual.Select(piece => (piece.Text, piece.Weight)), tolerance);
        }
    }

    [GoldenTheory, MemberData(nameof(Schedules))]
    public void PromptsChangeAsInWebUi(string name)
    {
        foreach ((string text, JsonNode row, _) in Rows(name, "schedules"))
        {
            IReadOnlyList<ScheduledPrompt> actual = PromptSchedule.Parse(text, row["steps"]!.GetValue<int>());
            Assert.Equal(row["schedule"]!.AsArray().Select(entry => new ScheduledPrompt(entry![0]!.GetValue<int>(), entry[1]!.GetValue<string>())), actual);
        }
    }

    [GoldenTheory, MemberData(nameof(Conjunctions))]
    public void AndSplitsAsInWebUi(string name)
    {
        foreach ((string text, JsonNode row, double tolerance) in Rows(name, "and"))
            AssertPairs(text, row["parts"]!, PromptConjunction.Split(text).Select(part => (part.Text, part.Weight)), tolerance);
    }

    private static TheoryData<string> Cases(string list) => GoldenCase.NamesByJson("text", json => json["config"]?[list] is JsonArray);

    private static IEnumerable<(string Text, JsonNode Row, double Tolerance)> Rows(string name, string list)
    {
        JsonObject json = GoldenCase.ReadJson("text", name);
        double tolerance = json["tolerance"]!["max_abs"]!.GetValue<double>();
        return json["config"]![list]!.AsArray().Select(row => (row!["text"]!.GetValue<string>(), row, tolerance));
    }

    private static void AssertPairs(string text, JsonNode expected, IEnumerable<(string Text, double Weight)> actual, double tolerance)
    {
        (string, double)[] wanted = [.. expected.AsArray().Select(pair => (pair![0]!.GetValue<string>(), pair[1]!.GetValue<double>()))];
        (string Text, double Weight)[] found = [.. actual];
        Assert.True(wanted.Select(pair => pair.Item1).SequenceEqual(found.Select(pair => pair.Text)), $"{text}: {string.Join(" | ", found)}");
        Assert.All(wanted.Zip(found), pair => Assert.Equal(pair.First.Item2, pair.Second.Weight, tolerance));
    }
}
