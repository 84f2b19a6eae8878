using Mural.Layers;

namespace Mural.Tests.Layers;

/// <summary>The numbers of spec 11.2.</summary>
public class SinusoidsTests
{
    public static TheoryData<double, int, double, bool, int[], double[]> Values => new()
    {
        { 0, 320, 0, true, [0, 159, 160, 319], [1, 1, 0, 0] },
        { 1, 320, 0, true, [0, 1, 2, 80, 160, 161, 162, 240, 319], [0.540302, 0.586504, 0.628439, 0.999950, 0.841471, 0.809946, 0.777858, 0.010000, 0.000106] },
        { 500, 320, 0, true, [0, 1, 2, 80, 159, 160, 161, 319], [-0.883849, 0.702750, 0.886677, 0.283662, 0.998598, -0.467772, 0.711436, 0.052938] },
        { 999, 320, 0, true, [0, 1, 80, 159, 160, 240, 319], [0.999650, 0.802681, -0.844470, 0.994406, -0.026461, -0.535603, 0.105622] },
        { 1024, 256, 0, true, [0, 1, 64, 127, 128, 129, 192, 255], [0.987354, -0.537610, -0.685707, 0.993952, -0.158533, -0.843193, -0.727878, 0.109818] },
        { 7000, 256, 1, false, [0, 1, 127, 128, 129, 255], [0.506885, 0.804387, 0.644218, 0.862013, 0.594106, 0.764842] },
    };

    [Theory, MemberData(nameof(Values))]
    public void AreThoseOfDiffusers(double value, int width, double shift, bool cosineFirst, int[] indices, double[] expected)
    {
        using var scope = NewDisposeScope();
        Tensor embedding = Sinusoids.Of(tensor(new[] { value }), width, shift, cosineFirst);
        Assert.Equal([1, width], embedding.shape);
        for (int i = 0; i < indices.Length; i++) Assert.Equal(expected[i], embedding[0, indices[i]].item<float>(), 2e-6);
    }

    [Fact]
    public void AnOddWidthEndsWithAZero()
    {
        using var scope = NewDisposeScope();
        Assert.Equal(0, Sinusoids.Of(tensor(new[] { 3.0 }), 7)[0, 6].item<float>());
    }
}
