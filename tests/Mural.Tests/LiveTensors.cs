namespace Mural.Tests;

internal static class LiveTensors
{
    /// <summary>Fails where an action leaves tensors behind: their number must be the same after one run and after many.</summary>
    internal static void AssertFlat(Action action)
    {
        action();
        // What other tests left to the finaliser must not pass for memory given back.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long before = Tensor.TotalCount;
        for (int i = 0; i < 10; i++) action();
        Assert.Equal(before, Tensor.TotalCount);
    }
}
