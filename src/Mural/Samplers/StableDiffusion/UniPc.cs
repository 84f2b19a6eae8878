using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// Unified predictor-corrector (Zhao et al., arXiv 2302.04867; Stable Diffusion specification 5.11): each network call first corrects the step that led to
/// it, from the state before, then predicts the next. The prediction for the uncorrected state serves both.
/// </summary>
internal static class UniPc
{
    internal static SamplerMethod Method { get; } = new(SamplerKind.UniPc, "UniPCMultistepScheduler", Plan, Run)
    {
        HasSigmaSchedules = true,
        HasZeroTerminal = true,
        Check = (options, _) =>
        {
            if (options.SolverOrder is < 1 or > 3) throw new MuralException($"The order of UniPC is {options.SolverOrder}; give 1 to 3.");
        },
    };

    private static SamplingGrid Plan(SamplerOptions options, NoiseTable table, int steps) =>
        SigmaGrid.CreateForSolver(options, table, steps, options.TimestepSpacing ?? TimestepSpacing.Linspace);

    private static Tensor Run(SamplingRun run, Tensor x)
    {
        SamplerOptions options = run.Options;
        var past = new History(options.SolverOrder);
        Tensor? before = null;
        int order = 0;
        for (int call = run.First; call < run.End; call++)
        {
            using var scope = NewDisposeScope();
            Tensor answer = run.Answer(x, call);
            Tensor data = DataLimit.Apply(Prediction.Data(options.PredictionType, answer, x, run.Sigma(call)), options, clip: false);
            Tensor prediction = options.PredictX0 ? data : Prediction.Noise(options.PredictionType, answer, x, run.Sigma(call));
            Tensor state = before is null || options.DisableCorrector.Contains(call - 1) ? x : Step(run, before, call - 1, order, past, prediction);

            past.Add(prediction);
            before?.Dispose();
            before = state.alias().MoveToOuterDisposeScope();
            order = Math.Min(options.LowerOrderFinal ?? true ? Math.Min(options.SolverOrder, run.Count - call) : options.SolverOrder, past.Count);
            // The step to zero noise is the clean latent; its coefficients are infinite.
            Tensor after = run.Sigma(call + 1) == 0 ? data.clone() : Step(run, state, call, order, past, reached: null);
            x = run.Advance(call, x, data, after);
        }
        return x;
    }

    // From a call's noise level to the next with the newest prediction there; the corrector also knows the prediction that was reached.
    private static Tensor Step(SamplingRun run, Tensor x, int call, int order, History past, Tensor? reached)
    {
        double sigma = run.Sigma(call), next = run.Sigma(call + 1), lambda = DpmPrediction.Lambda(sigma), h = DpmPrediction.Lambda(next) - lambda;
        if (h == 0) return x.clone();
        (double carry, double weight, double z) = run.Options.PredictX0
            ? (SamplingGrid.NoiseShare(next) / SamplingGrid.NoiseShare(sigma), SamplingGrid.Alpha(next), -h)
            : (SamplingGrid.Alpha(next) / SamplingGrid.Alpha(sigma), SamplingGrid.NoiseShare(next), h);
        double phi1 = StableMath.ExpM1(z), b = run.Options.SolverType == SolverType.Bh1 ? z : phi1;

        double[] ratios = [.. Enumerable.Range(1, order - 1).Select(age => (DpmPrediction.Lambda(run.Sigma(call - age)) - lambda) / h), 1];
        Tensor[] differences = [.. Enumerable.Range(1, order - 1).Select(age => DpmPrediction.Derivative(past[age], past[0], ratios[age - 1]))];
        double[] shares = Shares(ratios, z, b, corrects: reached is not null);
        if (reached is not null) differences = [.. differences, reached - past[0]];

        Tensor sum = Combination.Of((carry, x), (-weight * phi1, past[0]));
        for (int i = 0; i < differences.Length; i++) sum.add_(differences[i], alpha: -weight * b * shares[i]);
        return sum;
    }

    /// <summary>ρ of the differences: the solution of R ρ = b, of which the predictor's system leaves out the last row and column.</summary>
    private static double[] Shares(double[] ratios, double z, double b, bool corrects)
    {
        int size = corrects ? ratios.Length : ratios.Length - 1;
        // Exact for one unknown in the limit of small steps, and what the method's authors use.
        if (size == 1) return [0.5];
        var matrix = new double[size, size];
        var right = new double[size];
        double phi = StableMath.ExpM1(z) / z - 1, factorial = 1;
        for (int row = 0; row < size; row++)
        {
            for (int column = 0; column < size; column++) matrix[row, column] = Math.Pow(ratios[column], row);
            right[row] = phi * factorial / b;
            factorial *= row + 2;
            phi = phi / z - 1 / factorial;
        }
        return Solve(matrix, right);
    }

    // Elimination with row exchanges; the systems have at most three unknowns.
    private static double[] Solve(double[,] matrix, double[] right)
    {
        int size = right.Length;
        for (int pivot = 0; pivot < size; pivot++)
        {
            int best = Enumerable.Range(pivot, size - pivot).MaxBy(row => Math.Abs(matrix[row, pivot]));
            for (int column = 0; column < size; column++) (matrix[pivot, column], matrix[best, column]) = (matrix[best, column], matrix[pivot, column]);
            (right[pivot], right[best]) = (right[best], right[pivot]);
            for (int row = 0; row < size; row++)
            {
                if (row == pivot) continue;
                double factor = matrix[row, pivot] / matrix[pivot, pivot];
                for (int column = 0; column < size; column++) matrix[row, column] -= factor * matrix[pivot, column];
                right[row] -= factor * right[pivot];
            }
        }
        return [.. right.Select((value, row) => value / matrix[row, row])];
    }
}
