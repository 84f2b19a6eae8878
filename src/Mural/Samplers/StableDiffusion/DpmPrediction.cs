using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>What both forms of DPM-Solver, and in part UniPC, share.</summary>
internal static class DpmPrediction
{
    internal static bool IntegratesNoise(SamplerOptions options) => options.SolverAlgorithm is SolverAlgorithm.DpmSolver or SolverAlgorithm.SdeDpmSolver;

    internal static bool IsStochastic(SamplerOptions options) => options.SolverAlgorithm is SolverAlgorithm.SdeDpmSolver or SolverAlgorithm.SdeDpmSolverPlusPlus;

    /// <summary>The clean latent and what is integrated, that or the noise, thresholded.</summary>
    internal static (Tensor Data, Tensor Integrated) Of(SamplingRun run, Tensor x, int call)
    {
        SamplerOptions options = run.Options;
        double sigma = run.Sigma(call);
        Tensor answer = run.Answer(x, call);
        Tensor data = DataLimit.Apply(Prediction.Data(options.PredictionType, answer, x, sigma), options, clip: false);
        if (!IntegratesNoise(options)) return (data, data);
        return (data, options.Thresholding ? Prediction.NoiseBeside(data, x, sigma) : Prediction.Noise(options.PredictionType, answer, x, sigma));
    }

    /// <summary>λ = ln(α/s) of a noise level.</summary>
    internal static double Lambda(double sigma) => -Math.Log(sigma);

    /// <summary>A difference of predictions over its distance as a share of the step; none where noise levels coincide.</summary>
    internal static Tensor Derivative(Tensor newer, Tensor older, double ratio) => (newer - older) * (ratio == 0 ? 0 : 1 / ratio);

    internal static void Check(SamplerOptions options)
    {
        if (options.SolverOrder is < 1 or > 3) throw new MuralException($"The order of the solver is {options.SolverOrder}; give 1 to 3.");
        if (IntegratesNoise(options) && options.FinalSigma == FinalSigma.Zero)
            throw new MuralException(
                "A solver of the predicted noise (dpmsolver, sde-dpmsolver) cannot end at zero noise; set final_sigmas_type to sigma_min, or algorithm_type to dpmsolver++.");
    }
}
