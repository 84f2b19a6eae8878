namespace Mural.Samplers;

/// <summary>What DPM-Solver integrates.</summary>
public enum DpmForm
{
    /// <summary>The predicted data: DPM-Solver++ (arXiv 2211.01095), the default.</summary>
    Data,

    /// <summary>The predicted noise: DPM-Solver (arXiv 2206.00927), used by the training-free upsampling.</summary>
    Noise,
}

/// <summary>How DPM-Solver divides the time between start and end.</summary>
public enum DpmMethod
{
    /// <summary>
    /// Steps of the full order with lower ones at the end, as many evaluations as asked for; the time grid has one entry an evaluation, and a step's
    /// inner points lie on it. Latent DiM (DiM specification 4.3).
    /// </summary>
    Fast,

    /// <summary>
    /// The same orders, but the grid has one entry a step, and inner points divide a step's log signal-to-noise ratio evenly. Pixel DiM (DiM
    /// specification 4.2), and DPM-Solver's own "fast".
    /// </summary>
    FastEven,

    /// <summary>Steps of one order; evaluations that do not fill a whole step are left out.</summary>
    SingleStep,

    /// <summary>Steps as long as the difference between two orders allows; the number of evaluations is not set beforehand.</summary>
    Adaptive,
}

/// <summary>How the entries of a time grid are spread.</summary>
public enum TimeSpacing
{
    /// <summary>Evenly in time.</summary>
    Time,

    /// <summary>Evenly in the square root of time, denser towards the end.</summary>
    Quadratic,

    /// <summary>Evenly in the log signal-to-noise ratio.</summary>
    LogSnr,
}

/// <summary>How a step of second or third order combines its evaluations.</summary>
public enum DpmCombination
{
    /// <summary>By the differences that the paper's algorithms use.</summary>
    Paper,

    /// <summary>By the derivatives of the Taylor expansion.</summary>
    Taylor,
}

/// <summary>Settings of DPM-Solver; the defaults are those of latent DiM at 256 and 512 pixels.</summary>
public sealed record DpmSolverOptions
{
    /// <summary>Network evaluations, at least 1; not used by the adaptive method.</summary>
    public int Steps { get; init; } = 50;

    /// <summary>The order of the steps: 1 to 3 for single-step, else 2 or 3.</summary>
    public int Order { get; init; } = 3;

    /// <summary>What is integrated.</summary>
    public DpmForm Form { get; init; }

    /// <summary>How the time is divided.</summary>
    public DpmMethod Method { get; init; }

    /// <summary>How the grid is spread; not used by the adaptive method.</summary>
    public TimeSpacing Spacing { get; init; }

    /// <summary>How a step combines its evaluations.</summary>
    public DpmCombination Combination { get; init; }

    /// <summary>Solver time of the given state, in (0, 1].</summary>
    public double StartTime { get; init; } = 1;

    /// <summary>Solver time to stop at, above 0 and below <see cref="StartTime"/>.</summary>
    public double EndTime { get; init; } = 1e-3;

    /// <summary>Whether one more evaluation, at the end time, removes the noise that is left.</summary>
    public bool Denoise { get; init; }

    /// <summary>Clipping of the predicted data; for the data form only.</summary>
    public DynamicThreshold? Threshold { get; init; }

    /// <summary>Error that the adaptive method allows in small values.</summary>
    public double AbsoluteTolerance { get; init; } = 0.0078;

    /// <summary>Share of a value that the adaptive method allows as error.</summary>
    public double RelativeTolerance { get; init; } = 0.05;

    /// <summary>The settings of pixel DiM: noise form, even in log signal-to-noise ratio, to 1e-4.</summary>
    public static DpmSolverOptions Pixel { get; } = new() { Form = DpmForm.Noise, Method = DpmMethod.FastEven, Spacing = TimeSpacing.LogSnr, EndTime = 1e-4 };

    internal void Validate()
    {
        int lowest = Method == DpmMethod.SingleStep ? 1 : 2;
        if (Order < lowest || Order > 3) throw new MuralException($"The solver's order is {Order}, but the method {Method} needs {lowest} to 3.");
        if (Method != DpmMethod.Adaptive && Steps < (Method == DpmMethod.SingleStep ? Order : 1))
            throw new MuralException($"{Steps} sampling steps are too few: the method {Method} of order {Order} needs at least {(Method == DpmMethod.SingleStep ? Order : 1)}.");
        if (!(EndTime > 0 && EndTime < StartTime)) throw new MuralException($"Sampling runs from time {StartTime} down to {EndTime}, but must end above 0 and below its start.");
        if (Threshold is not null && Form == DpmForm.Noise) throw new MuralException("Thresholding clips the predicted data, so it needs the data form of the solver.");
    }
}
