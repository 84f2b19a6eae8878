using Mural.Kernels;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Settings of <see cref="AdamW"/>; the defaults are those of the released DiM training (spec section 5).</summary>
public sealed record OptimizerConfig
{
    /// <summary>Full learning rate.</summary>
    public double LearningRate { get; init; } = 2e-4;

    /// <summary>Decay of the two moments, each in [0, 1).</summary>
    public double[] Betas { get; init; } = [0.99, 0.99];

    /// <summary>Added to the root of the second moment.</summary>
    public double Eps { get; init; } = 1e-15;

    /// <summary>Decoupled weight decay, on every parameter.</summary>
    public double WeightDecay { get; init; } = 0.03;

    /// <summary>Largest norm of all gradients together; null for no clipping.</summary>
    public double? MaxGradNorm { get; init; } = 1;

    internal void Check()
    {
        Settings.Positive("optimizer.learning_rate", LearningRate);
        if (Betas.Length != 2) throw new MuralException($"The setting 'optimizer.betas' has {Betas.Length} numbers; two are expected.");
        foreach (double beta in Betas) Settings.InRange("optimizer.betas", beta, 0, 0.9999999);
        Settings.InRange("optimizer.eps", Eps, 0, 1);
        Settings.InRange("optimizer.weight_decay", WeightDecay, 0, 1e6);
        if (MaxGradNorm is double norm) Settings.Positive("optimizer.max_grad_norm", norm);
    }
}

/// <summary>
/// AdamW as PyTorch computes it: decoupled decay first, then a bias-corrected step. Weights and moments are float32. On a CPU one fused
/// pass goes over each parameter; elsewhere plain operators do the same.
/// </summary>
internal sealed class AdamW : IDisposable
{
    private readonly OptimizerConfig _config;
    private readonly (string Name, Parameter Parameter, Tensor First, Tensor Second)[] _entries;

    /// <summary>Creates the optimiser with moments of zero.</summary>
    /// <param name="parameters">Parameters by name; those that need no gradient are left alone.</param>
    /// <param name="config">Betas, eps and weight decay; the rate itself comes with every step.</param>
    public AdamW(IEnumerable<(string Name, Parameter Parameter)> parameters, OptimizerConfig config)
    {
        _config = config;
        using var scope = NewDisposeScope();
        _entries = [.. parameters.Where(p => p.Parameter.requires_grad)
            .Select(p => (p.Name, p.Parameter, zeros_like(p.Parameter).DetachFromDisposeScope(), zeros_like(p.Parameter).DetachFromDisposeScope()))];
    }

    /// <summary>Updates made so far.</summary>
    public long Step { get; internal set; }

    /// <summary>The moments, as <c>first.NAME</c> and <c>second.NAME</c>, for a checkpoint.</summary>
    internal IEnumerable<(string Name, Tensor Value)> State =>
        _entries.SelectMany(e => new[] { ("first." + e.Name, e.First), ("second." + e.Name, e.Second) });

    /// <summary>Sets all gradients back to none.</summary>
    public void ClearGradients()
    {
        foreach ((_, Parameter parameter, _, _) in _entries)
        {
            using Tensor? gradient = parameter.grad;
            if (gradient is not null) parameter.grad = null;
        }
    }

    /// <summary>Makes one update with the gradients that backward left; a parameter without one stays as it is.</summary>
    public void Update(double learningRate)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Step++;
        var factors = new AdamWFactors(_config, learningRate, Step);
        foreach ((_, Parameter parameter, Tensor first, Tensor second) in _entries)
        {
            Tensor? gradient = parameter.grad;
            if (gradient is null) continue;
            if (AdamWKernel.Supports(parameter, gradient)) AdamWKernel.Run(parameter, gradient, first, second, factors, VectorWidths.Best);
            else AdamWKernel.Reference(parameter, gradient, first, second, factors);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((_, _, Tensor first, Tensor second) in _entries)
        {
            first.Dispose();
            second.Dispose();
        }
    }
}
