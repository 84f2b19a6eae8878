using Mural.Evaluation;

namespace Mural.Tests.Evaluation;

/// <summary>The distance against its closed forms.</summary>
public sealed class FrechetDistanceTests
{
    [Fact]
    public void EqualSetsHaveNone()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1);
        Tensor features = randn([50, 8], generator: generator);
        Assert.Equal(0, FrechetDistance.Between(features, features.clone()), 1e-9);
    }

    [Fact]
    public void DiagonalCovariancesGiveTheSumOverTheirRoots()
    {
        using var scope = NewDisposeScope();
        double[] deviations1 = [1, 2, 0.5], deviations2 = [3, 2, 0];
        double found = FrechetDistance.Between(Vector(0, 1, 2), diag(Vector(deviations1).square()), Vector(1, -1, 2), diag(Vector(deviations2).square()));
        // |(1, -2, 0)|² and, for each direction, (σ₁ − σ₂)².
        Assert.Equal(5 + 4 + 0 + 0.25, found, 1e-9);
    }

    [Fact]
    public void TurningBothSpacesChangesNothing()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(2);
        (Tensor turn, _) = linalg.qr(randn([3, 3], ScalarType.Float64, generator: generator));
        Tensor covariance1 = diag(Vector(1, 4, 0.25)), covariance2 = diag(Vector(9, 4, 0.01)), mean = Vector(0, 0, 0), other = Vector(1, 2, 3);
        double found = FrechetDistance.Between(turn.mv(mean), turn.mm(covariance1).mm(turn.t()), turn.mv(other), turn.mm(covariance2).mm(turn.t()));
        Assert.Equal(14 + 4 + 0 + 0.16, found, 1e-9);
    }

    [Fact]
    public void CovariancesThatDoNotCommuteGiveTheRootOfTheirProduct()
    {
        using var scope = NewDisposeScope();
        // For 2x2 matrices, tr √M = √(tr M + 2 √det M), here of M = Σ₁Σ₂.
        Tensor covariance1 = tensor(new double[] { 2, 1, 1, 3 }).view(2, 2), covariance2 = tensor(new double[] { 1, -0.5, -0.5, 4 }).view(2, 2);
        double trace = 2 * 1 + 2 * (1 * -0.5) + 3 * 4, determinant = (2 * 3 - 1) * (1 * 4 - 0.25);
        double expected = 2 + 3 + 1 + 4 - 2 * Math.Sqrt(trace + 2 * Math.Sqrt(determinant));
        Assert.Equal(expected, FrechetDistance.Between(Vector(0, 0), covariance1, Vector(0, 0), covariance2), 1e-9);
    }

    [Fact]
    public void SamplesHaveUnbiasedCovariances()
    {
        using var scope = NewDisposeScope();
        // Means 0 and 3, variances 2 and 8 over N - 1 = 1.
        double found = FrechetDistance.Between(tensor(new[] { -1f, 1f }).view(2, 1), tensor(new[] { 1f, 5f }).view(2, 1));
        Assert.Equal(9 + 2, found, 1e-9);
    }

    [Fact]
    public void OnePictureHasNoCovariance()
    {
        using var scope = NewDisposeScope();
        Assert.Contains("at least 2 pictures", Assert.Throws<MuralException>(() => FrechetDistance.Between(ones(1, 3), ones(5, 3))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NoTensorStaysBehind()
    {
        using var generator = new Generator(3);
        using Tensor first = randn([20, 4], generator: generator), second = randn([20, 4], generator: generator);
        LiveTensors.AssertFlat(() => FrechetDistance.Between(first, second));
    }

    private static Tensor Vector(params double[] values) => tensor(values);
}
