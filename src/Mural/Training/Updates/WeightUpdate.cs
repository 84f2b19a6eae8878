using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>What one update of the weights is made of once the gradients are there: clipping, AdamW, moving average.</summary>
internal sealed class WeightUpdate : IDisposable
{
    private const int LargestLeftOutInARow = 20;

    private readonly OptimizerConfig _config;
    private readonly Parameter[] _parameters;
    private readonly ExponentialMovingAverage _average;
    private int _leftOut;

    /// <param name="model">The module whose weights are trained.</param>
    /// <param name="average">A module of the same kind that holds the moving average.</param>
    /// <param name="config">The run's settings.</param>
    internal WeightUpdate(nn.Module model, nn.Module average, TrainingConfig config)
    {
        _config = config.Optimizer;
        (string Name, Parameter Parameter)[] parameters = [.. model.named_parameters()];
        _parameters = [.. parameters.Select(p => p.Parameter)];
        Optimizer = new AdamW(parameters, config.Optimizer);
        foreach (Parameter parameter in average.parameters()) parameter.requires_grad = false;
        _average = new ExponentialMovingAverage(model, average, config.Ema);
    }

    internal AdamW Optimizer { get; }

    /// <summary>Sets the average to the model's weights, for a new run.</summary>
    internal void ResetAverage() => _average.Reset();

    /// <summary>Makes one update, or leaves it out where the loss or a gradient is not finite.</summary>
    /// <param name="step">Steps made before this one.</param>
    /// <param name="rate">This step's learning rate.</param>
    /// <param name="loss">This step's loss.</param>
    /// <returns>The norm of all gradients before clipping.</returns>
    /// <exception cref="MuralException">Too many updates in a row were left out.</exception>
    internal double Make(long step, double rate, double loss)
    {
        double norm = GradientClipping.Clip(_parameters, _config.MaxGradNorm);
        if (double.IsFinite(norm) && double.IsFinite(loss))
        {
            Optimizer.Update(rate);
            _average.Update(step);
            _leftOut = 0;
        }
        else if (++_leftOut > LargestLeftOutInARow)
        {
            throw new MuralException($"The loss or its gradient was not a finite number for {_leftOut} steps in a row, up to step {step}; "
                + $"lower 'optimizer.learning_rate' and resume from the last checkpoint.");
        }
        return norm;
    }

    public void Dispose() => Optimizer.Dispose();
}
