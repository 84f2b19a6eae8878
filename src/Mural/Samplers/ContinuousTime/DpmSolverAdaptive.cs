using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// DPM-Solver-12 and DPM-Solver-23 (arXiv 2206.00927, appendix C): each step is tried in two orders, and their difference decides whether it is kept
/// and how long the next one is.
/// </summary>
internal static class DpmSolverAdaptive
{
    private const double FirstStep = 0.05, Safety = 0.9, TimeTolerance = 1e-5;

    internal static Tensor Run(DpmSolverFormulas formulas, Tensor x, NoiseSchedule schedule, DpmSolverOptions options, Func<Tensor, double, Tensor> predict)
    {
        using var scope = NewDisposeScope();
        double time = options.StartTime, lambda = schedule.Lambda(time), lambdaEnd = schedule.Lambda(options.EndTime), h = FirstStep;
        Tensor state = x, lowerBefore = x;
        while (Math.Abs(time - options.EndTime) > TimeTolerance)
        {
            using var step = NewDisposeScope();
            double end = schedule.TimeOfLambda(lambda + h);
            (Tensor lower, Tensor higher) = Try(formulas, state, time, end, options.Order, predict);
            double error = Error(lower, higher, lowerBefore, options);
            if (error <= 1)
            {
                state.Dispose();
                lowerBefore.Dispose();
                (state, lowerBefore) = (higher.MoveToOuterDisposeScope(), lower.MoveToOuterDisposeScope());
                (time, lambda) = (end, schedule.Lambda(end));
            }
            h = Math.Min(Safety * h * Math.Pow(error, -1.0 / options.Order), lambdaEnd - lambda);
        }
        return state.MoveToOuterDisposeScope();
    }

    private static (Tensor Lower, Tensor Higher) Try(DpmSolverFormulas formulas, Tensor x, double start, double end, int order, Func<Tensor, double, Tensor> predict)
    {
        double r1 = 1.0 / order, inner = formulas.InnerTime(start, end, r1);
        Tensor m0 = predict(x, start), m1 = predict(formulas.First(x, start, inner, m0), inner);
        Tensor second = formulas.Second(x, start, end, m0, m1, r1);
        if (order == 2) return (formulas.First(x, start, end, m0), second);

        const double r2 = 2.0 / 3;
        inner = formulas.InnerTime(start, end, r2);
        Tensor m2 = predict(formulas.SecondInner(x, start, inner, m0, m1, r1, r2), inner);
        return (second, formulas.Third(x, start, end, m0, m1, m2, r1, r2));
    }

    // The largest error of a picture in the batch, in units of what is allowed.
    private static double Error(Tensor lower, Tensor higher, Tensor lowerBefore, DpmSolverOptions options)
    {
        Tensor allowed = maximum(lower.abs(), lowerBefore.abs()).mul(options.RelativeTolerance).clamp_min(options.AbsoluteTolerance);
        double error = ((higher - lower) / allowed).square().flatten(1).mean([1L]).max().to(float64).sqrt().item<double>();
        return double.IsFinite(error)
            ? error
            : throw new MuralException("The network's predictions stopped being finite numbers, so no step size is right: check the weights and the precision.");
    }
}
