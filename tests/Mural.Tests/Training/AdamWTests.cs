using Mural.Kernels;
using Mural.Training;
using Parameter = TorchSharp.Modules.Parameter;

namespace Mural.Tests.Training;

public class AdamWTests
{
    public static TheoryData<string> Widths =>
        new(Enum.GetValues<VectorWidth>().Where(width => width <= VectorWidths.Best).Select(width => width.ToString()));

    [Theory, MemberData(nameof(Widths))]
    public void TheFusedPassDoesWhatPlainOperatorsDo(string width)
    {
        var config = new OptimizerConfig { Betas = [0.9, 0.99], Eps = 1e-8, WeightDecay = 0.1 };
        foreach (long size in new long[] { 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 100, 65535, 65536, 65537, 200001 })
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator((ulong)size);
            Tensor plain = randn(size, generator: generator), fused = plain.clone();
            // Gradients of very different sizes, and zeros.
            Tensor scale = (randn(size, generator: generator) * 4).exp();
            Tensor[] plainMoments = [zeros(size), zeros(size)], fusedMoments = [zeros(size), zeros(size)];
            for (int step = 1; step <= 3; step++)
            {
                Tensor gradient = randn(size, generator: generator) * scale * (rand(size, generator: generator) > 0.1);
                var factors = new AdamWFactors(config, 0.01, step);
                AdamWKernel.Reference(plain, gradient, plainMoments[0], plainMoments[1], factors);
                AdamWKernel.Run(fused, gradient, fusedMoments[0], fusedMoments[1], factors, Enum.Parse<VectorWidth>(width));
            }
            Assert.True((plain - fused).abs().max().item<float>() < 1e-5, $"weights of {size}");
            Assert.True(((plainMoments[0] - fusedMoments[0]) / scale).abs().max().item<float>() < 1e-6, $"first moments of {size}");
            Assert.True(((plainMoments[1] - fusedMoments[1]) / scale.square()).abs().max().item<float>() < 1e-6, $"second moments of {size}");
        }
    }

    [Fact]
    public void StepsAreThoseOfTheFormula()
    {
        var config = new OptimizerConfig { Betas = [0.9, 0.99], Eps = 1e-8, WeightDecay = 0.1 };
        using var parameter = new Parameter(tensor(new[] { 1f, -2f, 0.5f }));
        using var optimizer = new AdamW([("w", parameter)], config);
        double[] weights = [1, -2, 0.5], first = new double[3], second = new double[3];
        double[][] gradients = [[0.3, -4, 0], [0.1, 2, 1e-3], [-0.5, 1, 0]];
        for (int step = 1; step <= gradients.Length; step++)
        {
            using Tensor gradient = tensor(gradients[step - 1].Select(g => (float)g).ToArray());
            parameter.grad = gradient;
            optimizer.Update(0.01);
            for (int i = 0; i < weights.Length; i++)
            {
                double g = gradients[step - 1][i];
                first[i] = 0.9 * first[i] + 0.1 * g;
                second[i] = 0.99 * second[i] + 0.01 * g * g;
                double corrected = first[i] / (1 - Math.Pow(0.9, step)), root = Math.Sqrt(second[i] / (1 - Math.Pow(0.99, step)));
                weights[i] = weights[i] * (1 - 0.01 * 0.1) - 0.01 * corrected / (root + 1e-8);
                Assert.Equal(weights[i], parameter[i].item<float>(), 1e-6);
            }
        }
        Assert.Equal(3, optimizer.Step);
    }

    [Fact]
    public void AParameterWithoutGradientStaysAsItIs()
    {
        using var moved = new Parameter(ones(4));
        using var still = new Parameter(ones(4));
        using var optimizer = new AdamW([("moved", moved), ("still", still)], new OptimizerConfig { WeightDecay = 0.5 });
        moved.grad = ones(4);
        optimizer.Update(0.1);
        Assert.True(moved[0].item<float>() < 0.95f);
        Assert.Equal(1f, still[0].item<float>());
        optimizer.ClearGradients();
        Assert.Null(moved.grad);
    }

    [Fact]
    public void GradientsOfAnotherLayoutAreTakenByTheirPlaces()
    {
        using var scope = NewDisposeScope();
        Tensor start = randn(6, 5), gradient = randn(5, 6).t();
        var one = new Parameter(start.clone());
        var other = new Parameter(start.clone());
        using var strided = new AdamW([("w", one)], new OptimizerConfig());
        using var whole = new AdamW([("w", other)], new OptimizerConfig());
        one.grad = gradient;
        other.grad = gradient.contiguous();
        strided.Update(0.01);
        whole.Update(0.01);
        Assert.True(one.allclose(other, 1e-6, 1e-8));
    }
}
