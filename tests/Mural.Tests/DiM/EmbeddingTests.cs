using System.Text.RegularExpressions;
using Mural.DiM;
using Mural.Layers;
using Mural.Tests.Goldens;

namespace Mural.Tests.DiM;

[Trait("Area", "dim")]
public partial class EmbeddingTests
{
    public static TheoryData<string> CasesWithSinusoids =>
        GoldenCase.Names("dim", golden => golden.Tensors.Keys.Any(name => name.StartsWith("out.sinusoid", StringComparison.Ordinal)));

    public static TheoryData<string> CasesWithTables => GoldenCase.Names("dim", golden => golden.Tensors.Keys.Any(name => TableName().IsMatch(name)));

    [GoldenTheory, MemberData(nameof(CasesWithSinusoids))]
    public void SinusoidsAreTheOfficialOnes(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("dim", name);
        foreach (string key in golden.Tensors.Keys.Where(key => key.StartsWith("out.sinusoid", StringComparison.Ordinal)))
            golden.AssertMatches(key, Sinusoids.Of(golden.Get("in.t"), (int)golden.Tensors[key].Shape[^1]));
    }

    // Outputs are named after their table and grid: table_3x5, table_8x8_back, table12_to_5x5.
    [GoldenTheory, MemberData(nameof(CasesWithTables))]
    public void PositionTablesResizeAsOfficially(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("dim", name);
        foreach (string key in golden.Tensors.Keys)
        {
            if (TableName().Match(key) is not { Success: true } match) continue;
            Tensor table = golden.Get("in." + match.Groups["table"].Value);
            TokenGrid trained = PositionTable.GridOf(table.shape[1])!.Value;
            var grid = new TokenGrid(int.Parse(match.Groups["rows"].Value), int.Parse(match.Groups["columns"].Value));
            Tensor resized = PositionTable.For(table, trained, grid, resize: true);
            // The official code never knows what grid a table was made for.
            if (match.Groups["back"].Success) resized = PositionTable.For(resized, PositionTable.GridOf(resized.shape[1])!.Value, trained, resize: true);
            golden.AssertMatches(key, resized);
        }
    }

    // Spec 10.5.
    [Fact]
    public void SinusoidOfWidthEight()
    {
        using var scope = NewDisposeScope();
        Tensor expected = tensor(new[] { -0.883849f, 0.964966f, 0.283662f, 0.877583f, -0.467772f, -0.262375f, -0.958924f, 0.479426f });
        Assert.True(allclose(expected, Sinusoids.Of(tensor(new[] { 500f }), 8)[0], atol: 1e-6));
    }

    [Fact]
    public void TableOfTheSameGridIsUntouched()
    {
        using var scope = NewDisposeScope();
        Tensor table = randn(1, 14, 5);
        var grid = new TokenGrid(3, 4);
        Assert.True(PositionTable.For(table, grid, grid, resize: true).equal(table).all().item<bool>());
        Assert.True(PositionTable.For(table, grid, new TokenGrid(2, 6), resize: false).equal(table).all().item<bool>());
        Assert.False(PositionTable.For(table, grid, new TokenGrid(2, 6), resize: true).equal(table).all().item<bool>());
    }

    [Theory]
    [InlineData(18, 4, 4)]
    [InlineData(14, 3, 4)]
    [InlineData(3, 1, 1)]
    [InlineData(9, 0, 0)]
    [InlineData(2, 0, 0)]
    public void GridOfATableIsTheOfficialGuess(long rows, int gridRows, int gridColumns) =>
        Assert.Equal(gridRows == 0 ? null : new TokenGrid(gridRows, gridColumns), PositionTable.GridOf(rows));

    [GeneratedRegex(@"^out\.(?<table>table\d*)_(to_)?(?<rows>\d+)x(?<columns>\d+)(?<back>_back)?$")]
    private static partial Regex TableName();
}
