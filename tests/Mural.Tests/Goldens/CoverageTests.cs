using System.Reflection;

namespace Mural.Tests.Goldens;

/// <summary>A case that no test recognises would pass unseen.</summary>
public class CoverageTests
{
    [Theory]
    [InlineData("control")]
    [InlineData("dim")]
    [InlineData("image")]
    [InlineData("rng")]
    [InlineData("schedulers")]
    [InlineData("text")]
    [InlineData("unet")]
    public void EveryCaseIsRecognisedBySomeTest(string area)
    {
        string[] cases = [.. Directory.GetFiles(Path.Combine(GoldenCase.Root, area), "*.json").Select(file => Path.GetFileNameWithoutExtension(file))];
        Assert.Equal([], cases.Except(Recognised.Value));
    }

    // The words of all rows of all data-driven tests, the names of cases among them.
    private static readonly Lazy<HashSet<string>> Recognised = new(() =>
        [.. typeof(CoverageTests).Assembly.GetTypes()
            .SelectMany(type => type.GetProperties(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic))
            .Where(property => property.PropertyType.IsAssignableTo(typeof(IEnumerable<ITheoryDataRow>)))
            .SelectMany(property => (IEnumerable<ITheoryDataRow>)property.GetValue(null)!)
            .SelectMany(row => row.GetData().OfType<string>())]);
}
