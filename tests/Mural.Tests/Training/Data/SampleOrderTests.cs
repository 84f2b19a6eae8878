using Mural.Training.Data;

namespace Mural.Tests.Training.Data;

public class SampleOrderTests
{
    private static readonly int[] Rows = [3, 5, 8, 9, 11, 20, 21];

    [Fact]
    public void EveryEpochHoldsEveryRowOnceInANewOrder()
    {
        var order = new SampleOrder(Rows, seed: 4);
        int[][] epochs = [.. Enumerable.Range(0, 20).Select(epoch => order.Take(epoch * Rows.Length, Rows.Length))];
        Assert.All(epochs, epoch => Assert.Equal(Rows, epoch.Order()));
        Assert.True(epochs.Select(epoch => string.Join(',', epoch)).Distinct().Count() > 15);
    }

    [Fact]
    public void AnyPartOfItCanBeTakenAtAnyTime()
    {
        int[] whole = new SampleOrder(Rows, seed: 4).Take(0, 50);
        var order = new SampleOrder(Rows, seed: 4);
        foreach ((int first, int count) in new[] { (30, 20), (0, 3), (13, 1), (5, 25), (7, 0) })
            Assert.Equal(whole[first..(first + count)], order.Take(first, count));
        Assert.NotEqual(whole, new SampleOrder(Rows, seed: 5).Take(0, 50));
    }

    [Fact]
    public void AChoiceIsSpreadOverTheWhole()
    {
        Assert.Equal([0, 25, 50, 75], Spread.Over([.. Enumerable.Range(0, 100)], 4));
        Assert.Equal([1, 2], Spread.Over([1, 2], 5));
        Assert.Empty(Spread.Over<int>([], 5));
    }
}
