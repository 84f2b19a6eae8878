using FsCheck;
using FsCheck.Fluent;
using Mural.DiM;
using Mural.Kernels;
using Mural.Tests.Goldens;

namespace Mural.Tests.DiM;

[Trait("Area", "dim")]
public class ScanOrdersTests
{
    private static readonly string[] Names = ["RF", "RB", "CF", "CB"];

    private static readonly Dictionary<ScanDirection, int> OfficialNumbers = new()
    {
        [ScanDirection.RowForward] = 0,
        [ScanDirection.RowBackward] = -2,
        [ScanDirection.ColumnForward] = 1,
        [ScanDirection.ColumnBackward] = -1,
    };

    public static TheoryData<string> Cases => GoldenCase.Names("dim", golden => golden.Has("out.RF") && golden.Has("out.RF_inverse"));

    [GoldenTheory, MemberData(nameof(Cases))]
    public void TablesAreTheOfficialOnes(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("dim", name);
        int pads = golden.Config["pad_len"]!.GetValue<int>();
        TokenGrid image = GoldenModels.Grid(golden), padded = image.Padded(pads);
        foreach (string direction in Names)
        {
            int[] cells = ScanOrders.Cells(padded, GoldenModels.Direction(direction));
            golden.AssertMatches("out." + direction, tensor(cells));
            int[] inverse = Inverse(cells);
            golden.AssertMatches($"out.{direction}_inverse", tensor(inverse));
            foreach (string next in Names.Where(next => golden.Has($"out.from_{direction}_to_{next}")))
                golden.AssertMatches($"out.from_{direction}_to_{next}", tensor(ScanOrders.Cells(padded, GoldenModels.Direction(next)).Select(cell => inverse[cell]).ToArray()));
        }
        golden.AssertMatches("out.image_cells", tensor(Contents(PadLayout.Lateral, image, pads).Index().Where(cell => cell.Item >= 0).Select(cell => cell.Index).ToArray()));
        golden.AssertMatches("out.pad_cells", tensor(Contents(PadLayout.Lateral, image, pads).Index().Where(cell => cell.Item < 0).Select(cell => cell.Index).ToArray()));
    }

    [GoldenTheory, MemberData(nameof(Cases))]
    public void PadsFillTheCellsOfTheOfficialLayouts(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("dim", name);
        int pads = golden.Config["pad_len"]!.GetValue<int>();
        TokenGrid image = GoldenModels.Grid(golden);
        foreach ((string key, PadLayout layout) in new[] { ("lateral", PadLayout.Lateral), ("rho_pad", PadLayout.RhoPad) })
        {
            int[] contents = Contents(layout, image, pads);
            foreach (string direction in Names)
                golden.AssertMatches(
                    $"out.{key}_{direction}", tensor(ScanOrders.Cells(image.Padded(pads), GoldenModels.Direction(direction)).Select(cell => contents[cell]).ToArray()));
        }
    }

    [GoldenTheory, MemberData(nameof(Cases))]
    public void BlocksFollowTheOfficialSchedule(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("dim", name);
        int[] numbers = [.. ScanOrders.Schedule(golden.Config["blocks"]!.GetValue<int>()).Select(direction => OfficialNumbers[direction])];
        int[,] chain = new int[numbers.Length, 2];
        for (int block = 0; block < numbers.Length; block++) (chain[block, 0], chain[block, 1]) = (block == 0 ? 0 : numbers[block - 1], numbers[block]);
        golden.AssertMatches("out.chain", tensor(chain));
    }

    // Spec 10.3.
    [Theory]
    [InlineData(1, "RF")]
    [InlineData(3, "RF RB RF")]
    [InlineData(5, "RF RB CF RB RF")]
    [InlineData(7, "RF RB CF CB CF RB RF")]
    [InlineData(9, "RF RB CF CB RF CB CF RB RF")]
    [InlineData(25, "RF RB CF CB RF RB CF CB RF RB CF CB RF CB CF RB RF CB CF RB RF CB CF RB RF")]
    public void ScheduleGoesThroughTheCycleAndBack(int blocks, string schedule) =>
        Assert.Equal(schedule.Split(' ').Select(GoldenModels.Direction), ScanOrders.Schedule(blocks));

    [Fact]
    public void LargeModelsGoThroughTheCycleSixTimesEachWay()
    {
        string expected = "RF " + string.Concat(Enumerable.Repeat("RB CF CB RF ", 6)) + string.Concat(Enumerable.Repeat("CB CF RB RF ", 6));
        Assert.Equal(expected.Trim().Split(' ').Select(GoldenModels.Direction), ScanOrders.Schedule(49));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    [InlineData(-3)]
    public void EvenNumbersOfBlocksAreRefused(int blocks) => Assert.Throws<MuralException>(() => ScanOrders.Schedule(blocks));

    [Fact]
    public void AnyScheduleBringsSkipsInTheOrderOfTheStream() => Prop.ForAll(Gen.Choose(0, 60).ToArbitrary(), half =>
    {
        ScanDirection[] schedule = ScanOrders.Schedule(2 * half + 1);
        Assert.Equal(ScanDirection.RowForward, schedule[0]);
        Assert.Equal(ScanDirection.RowForward, schedule[^1]);
        for (int block = half + 1; block < schedule.Length; block++) Assert.Equal(schedule[block - 1], schedule[schedule.Length - block]);
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void AnyGridsOrdersArePermutationsWithTheirInverses()
    {
        Gen<(int Rows, int Columns, int Front)> grids =
            from rows in Gen.Choose(1, 40) from columns in Gen.Choose(1, 40) from front in Gen.Choose(0, 6) select (rows, columns, front);
        Prop.ForAll(grids.ToArbitrary(), sizes =>
        {
            var grid = new TokenGrid(sizes.Rows, sizes.Columns);
            foreach (ScanDirection direction in Enum.GetValues<ScanDirection>())
            {
                ScanOrder? order = ScanOrders.Of(grid, sizes.Front, direction);
                if (order is null)
                {
                    Assert.Equal(ScanDirection.RowForward, direction);
                    continue;
                }
                int length = sizes.Front + grid.Count;
                Assert.Equal(Enumerable.Range(0, length), order.Table.ToArray().Order());
                Assert.Equal(Enumerable.Range(0, length), Enumerable.Range(0, length).Select(row => order.Table.ToArray()[order.Inverse[row]]));
                Assert.Equal(Enumerable.Range(0, sizes.Front), order.Table[..sizes.Front].ToArray());
            }
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void BackwardIsForwardReversed() => Prop.ForAll(Gen.Choose(1, 30).Two().ToArbitrary(), sizes =>
    {
        var grid = new TokenGrid(sizes.Item1, sizes.Item2);
        Assert.Equal(ScanOrders.Cells(grid, ScanDirection.RowForward), ScanOrders.Cells(grid, ScanDirection.RowBackward).Reverse());
        Assert.Equal(ScanOrders.Cells(grid, ScanDirection.ColumnForward), ScanOrders.Cells(grid, ScanDirection.ColumnBackward).Reverse());
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void TablesOfAGridAreSharedBetweenThreads()
    {
        var grid = new TokenGrid(23, 29);
        ScanOrder?[] orders = new ScanOrder?[32];
        Parallel.For(0, orders.Length, i => orders[i] = ScanOrders.Of(grid, 5, ScanDirection.ColumnBackward));
        Assert.Single(orders.Distinct());
    }

    // What stands in each cell, row by row: image token numbers, and -1 - k for pad token k.
    private static int[] Contents(PadLayout layout, TokenGrid image, int pads)
    {
        TokenGrid padded = image.Padded(pads);
        int[] contents = new int[padded.Count];
        for (int cell = 0; cell < contents.Length; cell++)
        {
            (int row, int column) = (cell / padded.Columns, cell % padded.Columns);
            bool inside = row < image.Rows && column < image.Columns;
            contents[cell] = inside ? row * image.Columns + column : -1 - PadCells.Token(layout, image, pads, row, column);
        }
        return contents;
    }

    private static int[] Inverse(int[] cells)
    {
        int[] inverse = new int[cells.Length];
        for (int step = 0; step < cells.Length; step++) inverse[cells[step]] = step;
        return inverse;
    }
}
