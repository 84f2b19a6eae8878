namespace Mural.Samplers;

/// <summary>The Beta(0.6, 0.6) distribution on [0, 1], whose quantiles are one of the noise schedules.</summary>
internal static class BetaDistribution
{
    private const double Shape = 0.6;

    // The integral of x^(a−1) (1 − x)^(a−1) over the lower half: half of the whole, by symmetry.
    private static readonly double Half = Integral(0.5);

    /// <summary>The value below which a share of <paramref name="probability"/> in [0, 1] lies.</summary>
    internal static double Quantile(double probability)
    {
        if (probability > 0.5) return 1 - Quantile(1 - probability);
        double low = 0, high = 0.5;
        while (true)
        {
            double middle = 0.5 * (low + high);
            if (middle == low || middle == high) return middle;
            if (Integral(middle) < 2 * Half * probability) low = middle;
            else high = middle;
        }
    }

    // The series x^a Σ c_n x^n / (a + n) with c_0 = 1 and c_n = c_(n−1) (n − a)/n, which halves its terms at least for x up to a half.
    private static double Integral(double x)
    {
        double sum = 0, coefficient = 1, power = 1;
        for (int n = 0; n < 60; n++)
        {
            sum += coefficient * power / (Shape + n);
            coefficient *= (n + 1 - Shape) / (n + 1);
            power *= x;
        }
        return Math.Pow(x, Shape) * sum;
    }
}
