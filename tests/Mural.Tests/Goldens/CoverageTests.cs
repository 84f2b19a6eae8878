using System.Reflection;

namespace Mural.Tests.Goldens;

/// <summary>A case that no test recognises would pass unseen.</summary>
public class CoverageTests
{
    [Theory]
    [InlineData("adapters")]
    [InlineData("control")]
    [InlineData("dim")]
    [InlineData("hidiffusion")]
    [InlineData("image")]
    [InlineData("linfusion")]
    [InlineData("pipelines")]
    [InlineData("rng")]
    [InlineData("schedulers")]
    [InlineData("single-file")]
    [InlineData("text")]
    [InlineData("unet")]
    [InlineData("vae")]
    public void EveryCaseIsRecognisedBySomeTest(string area)
    {
        string folder = Path.Combine(GoldenCase.Root, area);
        Assert.SkipWhen(GoldenCase.RootIsGiven && !Directory.Exists(folder), $"the golden cases given have no {area}");
        (HashSet<string> recognised, List<(string[] Areas, string Problem)> problems) = Rows.Value;
        Assert.Equal([], problems.Where(entry => entry.Areas.Contains(area)).Select(entry => entry.Problem));
        IEnumerable<string> files = Directory.GetFiles(folder).Select(file => Path.GetFileName(file));
        Assert.Equal([], files.Where(file => Stem(file) is { } name && !recognised.Contains(name) && !recognised.Contains(file)));
    }

    // The name of the case that a json file holds, packed or not; null for other files.
    private static string? Stem(string file) =>
        new[] { ".json", ".json.gz" }.Where(extension => file.EndsWith(extension, StringComparison.Ordinal)).Select(extension => file[..^extension.Length]).FirstOrDefault();

    private static readonly Lazy<(HashSet<string> Words, List<(string[] Areas, string Problem)> Problems)> Rows = new(ReadRows);

    // The words of all rows of all data-driven tests, the names of cases among them. Rows that cannot be made are a problem of their test's areas alone.
    private static (HashSet<string> Words, List<(string[] Areas, string Problem)> Problems) ReadRows()
    {
        var words = new HashSet<string>();
        var problems = new List<(string[] Areas, string Problem)>();
        foreach (Type type in typeof(CoverageTests).Assembly.GetTypes())
            foreach (PropertyInfo property in type.GetProperties(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic).Where(HoldsRows))
            {
                Exception? problem = Record.Exception(() =>
                    words.UnionWith(((IEnumerable<ITheoryDataRow>)property.GetValue(null)!).SelectMany(row => row.GetData().OfType<string>())));
                if (problem is not null) problems.Add((Areas(type), $"{type.Name}.{property.Name}: {problem.GetBaseException().Message}"));
            }
        return (words, problems);
    }

    private static bool HoldsRows(PropertyInfo property) => property.PropertyType.IsAssignableTo(typeof(IEnumerable<ITheoryDataRow>));

    private static string[] Areas(Type type) =>
        [.. type.GetMethods().Prepend<MemberInfo>(type).SelectMany(member => member.GetCustomAttributes<TraitAttribute>())
            .Where(trait => trait.Name == "Area").Select(trait => trait.Value)];
}
