using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>What is trained: the loop knows nothing of it but this.</summary>
internal interface ITrainingTask : IDisposable
{
    /// <summary>The module whose weights are trained, float32.</summary>
    nn.Module Model { get; }

    /// <summary>A module of the same kind that holds the moving average.</summary>
    nn.Module Average { get; }

    /// <summary>What must be the same when the run is resumed: architecture, data, seed.</summary>
    string Identity { get; }

    /// <summary>Sets weights from elsewhere before the first step of a new run.</summary>
    void Initialise();

    /// <summary>Draws one step's samples and noise, a function of the seed and the step alone.</summary>
    ITrainingStep Draw(long step);

    /// <summary>Writes a picture that shows how far the training is, and says a number or two about it.</summary>
    IReadOnlyList<(string Name, double Value)> WriteSheet(string path, CancellationToken cancellation);

    /// <summary>Writes the average's weights and config for use.</summary>
    void WriteResult(string folder, CancellationToken cancellation);
}

/// <summary>The samples of one update.</summary>
internal interface ITrainingStep : IDisposable
{
    /// <summary>The mean loss of one part of the step's samples, a scalar that backward can be called on.</summary>
    /// <param name="part">From 0 to the number of accumulated passes - 1.</param>
    Tensor Loss(int part);

    /// <summary>What the loss is made of, for the log: means over the parts that were computed.</summary>
    IReadOnlyList<(string Name, double Value)> Details => [];
}
