namespace Mural.Samplers;

/// <summary>
/// Functions that keep their digits near zero, where <see cref="double.ExpM1(double)"/> and <see cref="double.LogP1(double)"/> of .NET
/// subtract nearly equal numbers (Kahan's corrections).
/// </summary>
internal static class StableMath
{
    /// <summary>e^x − 1.</summary>
    internal static double ExpM1(double x)
    {
        double power = Math.Exp(x);
        if (power == 1) return x;
        if (power - 1 == -1) return -1;
        return double.IsPositiveInfinity(power) ? power : (power - 1) * x / Math.Log(power);
    }

    /// <summary>ln(1 + x).</summary>
    internal static double LogP1(double x)
    {
        double sum = 1 + x;
        return sum == 1 || double.IsPositiveInfinity(sum) ? x : Math.Log(sum) * x / (sum - 1);
    }

    /// <summary>ln(1 + e^x), also where e^x overflows.</summary>
    internal static double Softplus(double x) => Math.Max(x, 0) + LogP1(Math.Exp(-Math.Abs(x)));
}
