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
        IEnumerable<string> files = Directory.GetFiles(folder).Select(file => Path.GetFileName(file));
        Assert.Equal([], files.Where(file => Stem(file) is { } name && !Recognised.Value.Contains(name) && !Recognised.Value.Contains(file)));
    }

    // The name of the case that a json file holds, packed or not; null for other files.
    private static string? Stem(string file) =>
        new[] { ".json", ".json.gz" }.Where(extension => file.EndsWith(extension, StringComparison.Ordinal)).Select(extension => file[..^extension.Length]).FirstOrDefault();

    // The words of all rows of all data-driven tests, the names of cases among them.
    private static readonly Lazy<HashSet<string>> Recognised = new(() =>
        [.. typeof(CoverageTests).Assembly.GetTypes()
            .SelectMany(type => type.GetProperties(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic))
            .Where(property => property.PropertyType.IsAssignableTo(typeof(IEnumerable<ITheoryDataRow>)))
            .SelectMany(property => (IEnumerable<ITheoryDataRow>)property.GetValue(null)!)
            .SelectMany(row => row.GetData().OfType<string>())]);
}
