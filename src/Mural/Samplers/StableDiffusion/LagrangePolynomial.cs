namespace Mural.Samplers;

/// <summary>What multistep methods interpolate past predictions by.</summary>
internal static class LagrangePolynomial
{
    /// <summary>
    /// The polynomial that is 1 at the node of the given age and 0 at the others: its coefficients, lowest first, in powers of the distance from the newest
    /// node.
    /// </summary>
    /// <param name="nodes">The nodes, newest first, all different.</param>
    /// <param name="age">Which of them.</param>
    internal static double[] Of(double[] nodes, int age)
    {
        double[] polynomial = [1];
        for (int other = 0; other < nodes.Length; other++)
        {
            if (other == age) continue;
            double root = nodes[other] - nodes[0], scale = 1 / (nodes[age] - nodes[other]);
            var product = new double[polynomial.Length + 1];
            for (int power = 0; power < polynomial.Length; power++)
            {
                product[power] -= polynomial[power] * root * scale;
                product[power + 1] += polynomial[power] * scale;
            }
            polynomial = product;
        }
        return polynomial;
    }
}
