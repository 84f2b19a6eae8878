using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// DPM-Solver (Lu et al., arXiv 2206.00927) and DPM-Solver++ (arXiv 2211.01095), single-step: integrates the probability-flow ODE with the network's
/// noise or the data it implies, as the official DiM code does (DiM specification 4.3).
/// </summary>
public static class DpmSolver
{
    /// <summary>Takes <paramref name="x"/> from the options' start time to their end time.</summary>
    /// <param name="denoiser">Predicts the noise.</param>
    /// <param name="x">The state at the start time, <c>[B, C, H, W]</c>, float32; stays as it is.</param>
    /// <param name="schedule">The forward process that the network was trained with.</param>
    /// <param name="options">Steps, order, form and grid.</param>
    /// <param name="onStep">Called after each network evaluation.</param>
    /// <param name="cancellationToken">Stops the run before the next evaluation.</param>
    /// <returns>The state at the end time, of the shape and type of <paramref name="x"/>.</returns>
    /// <exception cref="MuralException">The options contradict each other, or the network's values are not finite (adaptive method).</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static Tensor Sample(
        Denoiser denoiser,
        Tensor x,
        NoiseSchedule schedule,
        DpmSolverOptions options,
        Action<SamplerStep>? onStep = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        using var noGradients = no_grad();
        using var scope = NewDisposeScope();
        var formulas = new DpmSolverFormulas(schedule, options.Form, options.Combination);
        IReadOnlyList<DpmStep> plan = options.Method == DpmMethod.Adaptive ? [] : DpmSolverPlan.Create(options, schedule);
        int? count = options.Method == DpmMethod.Adaptive ? null : plan.Sum(step => step.Order) + (options.Denoise ? 1 : 0);
        var calls = new DenoiserCalls(denoiser, schedule, count, onStep, cancellationToken);
        Tensor Predict(Tensor state, double time) =>
            options.Form == DpmForm.Noise ? calls.Noise(state, time) : calls.Data(state, time, options.Threshold);

        Tensor state = x.alias();
        if (options.Method == DpmMethod.Adaptive) state = DpmSolverAdaptive.Run(formulas, state, schedule, options, Predict);
        foreach (DpmStep step in plan)
        {
            Tensor next = Advance(formulas, state, step, Predict);
            state.Dispose();
            state = next;
        }
        if (options.Denoise) state = calls.Data(state, options.EndTime, options.Threshold);
        return state.MoveToOuterDisposeScope();
    }

    private static Tensor Advance(DpmSolverFormulas formulas, Tensor x, DpmStep step, Func<Tensor, double, Tensor> predict)
    {
        using var scope = NewDisposeScope();
        (int order, double start, double end, double r1, double r2) = step;
        Tensor m0 = predict(x, start);
        if (order == 1) return formulas.First(x, start, end, m0).MoveToOuterDisposeScope();

        double inner = formulas.InnerTime(start, end, r1);
        Tensor m1 = predict(formulas.First(x, start, inner, m0), inner);
        if (order == 2) return formulas.Second(x, start, end, m0, m1, r1).MoveToOuterDisposeScope();

        inner = formulas.InnerTime(start, end, r2);
        Tensor m2 = predict(formulas.SecondInner(x, start, inner, m0, m1, r1, r2), inner);
        return formulas.Third(x, start, end, m0, m1, m2, r1, r2).MoveToOuterDisposeScope();
    }
}
