using Mural.Attention;
using Mural.LinFusion;

namespace Mural.Tests.LinFusion;

/// <summary>Compares gradients of a mixer with finite differences, in float64.</summary>
internal static class GradientCheck
{
    private const double Step = 1e-6;

    /// <summary>Looks at a few elements of every weight and of the tokens.</summary>
    internal static void AssertGradients(TokenMixer module, int batch, int tokens, int channels)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(4);
        Tensor x = randn([batch, tokens, channels], dtype: float64, generator: generator), weights = randn([batch, tokens, channels], dtype: float64, generator: generator);
        var map = new MapSize(1, tokens);
        x.requires_grad = true;
        (module.Forward(x, map) * weights).sum().backward();
        foreach ((string name, Tensor value) in module.named_parameters().Select(p => (p.name, (Tensor)p.parameter)).Append(("x", x)).ToArray())
        {
            using var guard = no_grad();
            Tensor gradient = value.grad!, flat = value.detach().reshape(-1);
            for (long i = 0; i < flat.numel(); i += Math.Max(1, flat.numel() / 7))
            {
                double Loss(double change)
                {
                    flat[i].add_(change);
                    double loss = (module.Forward(x.detach(), map) * weights).sum().item<double>();
                    flat[i].sub_(change);
                    return loss;
                }
                double difference = (Loss(Step) - Loss(-Step)) / (2 * Step), found = gradient.reshape(-1)[i].item<double>();
                Assert.True(Math.Abs(found - difference) <= 1e-6 * Math.Max(1, Math.Abs(difference)), $"{name}[{i}]: {found} instead of {difference}");
            }
        }
    }
}
