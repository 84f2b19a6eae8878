namespace Mural.Tests.Kernels;

internal static class Close
{
    /// <summary>
    /// Fails unless every number of <paramref name="actual"/> is within <paramref name="allowed"/> times the largest number of <paramref name="expected"/>, or times
    /// <paramref name="scale"/> where that is larger.
    /// </summary>
    internal static void Assert(Tensor expected, Tensor actual, double allowed, string what, double scale = 1e-30)
    {
        using var scope = NewDisposeScope();
        Xunit.Assert.Equal(expected.shape, actual.shape);
        if (expected.numel() == 0) return;
        Tensor want = expected.detach().to(float64), got = actual.detach().to(float64);
        double largest = Math.Max(want.abs().max().item<double>(), scale), difference = (want - got).abs().max().item<double>();
        Xunit.Assert.True(difference <= allowed * largest, $"{what}: differs by {difference / largest:G3} of the largest number, allowed {allowed:G3}");
    }
}
