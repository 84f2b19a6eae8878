using static TorchSharp.torch;

namespace Mural.DiM;

/// <summary>Starting values of a Mamba mixer (spec dim.md 1.10).</summary>
internal static class MambaInitialization
{
    private const double LeastStep = 1e-4;

    /// <summary>Fills one parameter of a <see cref="MambaMixer"/>.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="name">Its name in the mixer.</param>
    /// <param name="shape">The mixer's sizes.</param>
    /// <param name="blocks">Mixers whose results are added one after the other: what each adds starts the smaller, the more there are.</param>
    /// <param name="generator">Draws the numbers.</param>
    internal static void Fill(Tensor parameter, string name, MambaShape shape, int blocks, Generator generator)
    {
        switch (name)
        {
            case "A_log":
                parameter.copy_(arange(1, shape.States + 1, dtype: ScalarType.Float32).log());
                break;
            case "D":
                parameter.fill_(1);
                break;
            case "dt_proj.weight":
                Uniform(parameter, 1 / Math.Sqrt(shape.Rank), generator);
                break;
            case "dt_proj.bias":
                parameter.copy_(StepBias(parameter.numel(), generator));
                break;
            case "out_proj.weight":
                Uniform(parameter, 1 / Math.Sqrt((double)shape.Inner * blocks), generator);
                break;
            case "conv1d.bias":
                Uniform(parameter, 1 / Math.Sqrt(shape.Taps), generator);
                break;
            default:
                Uniform(parameter, 1 / Math.Sqrt(parameter.numel() / (double)parameter.shape[0]), generator);
                break;
        }
    }

    /// <summary>Biases whose steps softplus(bias) are spread evenly in logarithm between 0.001 and 0.1.</summary>
    internal static Tensor StepBias(long count, Generator generator)
    {
        Tensor uniform = rand(count, dtype: ScalarType.Float32, generator: generator);
        Tensor step = (uniform * (Math.Log(0.1) - Math.Log(0.001)) + Math.Log(0.001)).exp().clamp_min(LeastStep);
        return step + (-(-step).expm1()).log();
    }

    /// <summary>Numbers in ±bound, drawn on the CPU, so that a seed gives the same model on every device.</summary>
    internal static void Uniform(Tensor parameter, double bound, Generator generator) =>
        parameter.copy_(empty(parameter.shape, dtype: ScalarType.Float32).uniform_(-bound, bound, generator));
}
