using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// A sampler for Stable Diffusion that has decided on its steps (Stable Diffusion specification 5). It owns no network, no guidance and no random
/// source: guidance belongs into the denoiser, noise is drawn by a function. It keeps no state between runs.
/// </summary>
/// <example><code>
/// Sampler sampler = Sampler.Create(SamplerOptions.Load("model/scheduler").Override("dpmpp-2m", "karras"), steps: 20);
/// Tensor latent = sampler.Sample(denoiser, noise * sampler.InitialNoiseSigma, like => random.Normal(like.shape));
/// </code></example>
public sealed class Sampler
{
    private readonly SamplerMethod _method;
    private readonly SamplingGrid _grid;

    private Sampler(SamplerOptions options, SamplerMethod method, NoiseTable table, SamplingGrid grid, int steps)
    {
        Options = options;
        _method = method;
        Table = table;
        _grid = grid;
        Steps = steps;
    }

    /// <summary>The settings.</summary>
    public SamplerOptions Options { get; }

    /// <summary>
    /// What each network call is told, falling: the timestep, or as <see cref="SamplerOptions.ContinuousTimesteps"/> says. Two calls for most steps of Heun, DPM2
    /// and DPM++ SDE, and one more than steps with PNDM.
    /// </summary>
    public IReadOnlyList<double> Timesteps => _grid.Timesteps;

    /// <summary>The noise of the state that each call sees, relative to the signal, and last that of the result.</summary>
    public IReadOnlyList<double> Sigmas => _grid.Sigmas;

    /// <summary>What standard normal noise is multiplied by to be a state at the first call.</summary>
    public double InitialNoiseSigma
    {
        get
        {
            if (!_method.VarianceExplodes) return 1;
            double largest = _grid.Sigmas.Max();
            return Options.TimestepSpacing == TimestepSpacing.Leading ? Math.Sqrt(largest * largest + 1) : largest;
        }
    }

    internal NoiseTable Table { get; }

    /// <summary>How many steps a run makes that starts from noise.</summary>
    internal int Steps { get; }

    /// <summary>Network calls of a step.</summary>
    internal int CallsPerStep => _method.CallsPerStep;

    /// <summary>Whether a step depends on nothing but the state before it.</summary>
    internal bool StepsAlone =>
        _method is { CallsPerStep: 1, Kind: SamplerKind.Ddim or SamplerKind.Ddpm or SamplerKind.Euler or SamplerKind.EulerAncestral or SamplerKind.Lcm or SamplerKind.Tcd };

    /// <summary>Decides on the steps.</summary>
    /// <param name="options">The settings.</param>
    /// <param name="steps">N, the number of steps, from 1 to the number of training steps; that of the custom timesteps or noise levels where given.</param>
    /// <exception cref="MuralException">The settings contradict each other, or the sampler cannot make that many steps.</exception>
    public static Sampler Create(SamplerOptions options, int steps)
    {
        ArgumentNullException.ThrowIfNull(options);
        SamplerMethod method = SamplerChecks.Method(options);
        SamplerChecks.Check(options, method, steps);
        (BetaSchedule schedule, double first, double last) = method.DefaultBetas;
        double[] betas = options.TrainedBetas is { } trained
            ? [.. trained]
            : BetaTable.Create(options.BetaSchedule ?? schedule, options.TrainTimesteps, options.BetaStart ?? first, options.BetaEnd ?? last);
        var table = new NoiseTable(betas, options.RescaleBetasZeroSnr && method.HasZeroTerminal);
        SamplingGrid grid = method.Plan(options, table, steps);
        // Of a list of timesteps, a share may be left.
        return new Sampler(options, method, table, grid, options.CustomTimesteps is null ? steps : Math.Min(steps, grid.Timesteps.Length));
    }

    /// <summary>The call that image-to-image starts with, which adds the noise of that call to a picture first.</summary>
    /// <param name="strength">The share of the steps that is run, in (0, 1]; 1 keeps next to nothing of the picture.</param>
    /// <exception cref="MuralException">The share is not in range, or too small for a single step.</exception>
    public int FirstCall(double strength)
    {
        RequireStrength(strength);
        int first = FirstCallOf((int)(Steps * strength));
        return first < _grid.Timesteps.Length
            ? first
            : throw new MuralException($"A strength of {strength} leaves none of {Steps} steps to run; raise the strength or the steps until their product is at least 1.");
    }

    /// <exception cref="MuralException">The strength of image-to-image is not in range.</exception>
    internal static void RequireStrength(double strength)
    {
        if (!(strength > 0 && strength <= 1)) throw new MuralException($"The strength is {strength}; give a number above 0 and up to 1.");
    }

    /// <summary>The call that a run of only the last steps starts with: the first of its step.</summary>
    /// <param name="last">How many steps are run, at most all.</param>
    /// <exception cref="MuralException">The sampler cannot start there.</exception>
    internal int FirstCallOf(int last) => LaterStart((Steps - Math.Min(last, Steps)) * _method.CallsPerStep);

    /// <summary>The training step whose noise the state at a call has, whatever the network is told.</summary>
    internal double TrainingStep(int call) => Euler.TellsNoise(Options) ? Table.Timestep(_grid.Sigmas[call]) : _grid.Timesteps[call];

    /// <summary>
    /// How many calls a base model makes when a refiner takes over after a share of the training steps, and so the call at which the refiner starts.
    /// </summary>
    /// <param name="share">The share, in (0, 1); diffusers calls it <c>denoising_end</c> and <c>denoising_start</c>.</param>
    /// <exception cref="MuralException">The share is not in range, or the sampler cannot start there.</exception>
    public int CallsBefore(double share)
    {
        if (!(share > 0 && share < 1)) throw new MuralException($"The share of the training steps before the refiner is {share}; give a number between 0 and 1.");
        double cutoff = Math.Round(Table.Steps - share * Table.Steps);
        int after = Enumerable.Range(0, _grid.Timesteps.Length).Count(call => TrainingStep(call) < cutoff);
        // A step of two calls is not cut in its middle; the last step has one.
        if (_method.CallsPerStep == 2 && after % 2 == 0) after++;
        return LaterStart(Math.Max(_grid.Timesteps.Length - after, 0));
    }

    /// <summary>A clean latent with the noise that the state has at a call, for image-to-image and inpainting.</summary>
    /// <param name="latent">The clean latent, <c>[B, C, H, W]</c>.</param>
    /// <param name="noise">Standard normal noise of the same shape.</param>
    /// <param name="call">Index into <see cref="Timesteps"/>.</param>
    public Tensor AddNoise(Tensor latent, Tensor noise, int call) => AddNoise(latent, noise, _grid.Sigmas[call]);

    internal Tensor AddNoise(Tensor latent, Tensor noise, double sigma) => _method.VarianceExplodes
        ? Combination.Of((1, latent), (sigma, noise))
        : Combination.Of((SamplingGrid.Alpha(sigma), latent), (SamplingGrid.NoiseShare(sigma), noise));

    /// <summary>What the network is given of the state at a call: of unit variance.</summary>
    internal Tensor ScaleInput(Tensor x, int call) => _method.VarianceExplodes ? x * SamplingGrid.Alpha(_grid.Sigmas[call]) : x.alias();

    /// <summary>Takes the state at a call to the end, or to another call.</summary>
    /// <param name="denoiser">The network with everything around it.</param>
    /// <param name="x">
    /// The state <c>[B, C, H, W]</c>: noise times <see cref="InitialNoiseSigma"/> or the result of <see cref="AddNoise(Tensor, Tensor, int)"/>. It stays as it is.
    /// </param>
    /// <param name="noise">Draws standard normal noise of the shape, type and device of the given tensor, each time a step needs some.</param>
    /// <param name="calls">Which of the <see cref="Timesteps"/> are run; all where null.</param>
    /// <param name="afterCall">
    /// Given the state after a call and the index of the next (<see cref="Timesteps"/>'s count after the last), returns the state to go on with: inpainting
    /// puts the known part back.
    /// </param>
    /// <param name="onStep">Called after each network call, for progress and previews.</param>
    /// <param name="cancellationToken">Stops the run before the next call.</param>
    /// <returns>The state at the end, of the shape of <paramref name="x"/>, float32, or float64 where <paramref name="x"/> is.</returns>
    /// <exception cref="MuralException">The sampler cannot start where it was asked to.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public Tensor Sample(
        LatentDenoiser denoiser,
        Tensor x,
        Func<Tensor, Tensor> noise,
        Range? calls = null,
        Func<Tensor, int, Tensor>? afterCall = null,
        Action<SamplerStep>? onStep = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(x);
        (int first, int count) = (calls ?? Range.All).GetOffsetAndLength(_grid.Timesteps.Length);
        if (Options.PredictionType == PredictionType.Epsilon && _grid.Sigmas.Skip(first).Take(count).Any(double.IsInfinity))
            throw new MuralException(
                "At zero terminal signal-to-noise ratio nothing can be told from predicted noise; use a model with prediction_type v_prediction, or unset rescale_betas_zero_snr.");
        LaterStart(first);
        using var noGradients = no_grad();
        using var scope = NewDisposeScope();
        var run = new SamplingRun(this, denoiser, noise)
        {
            First = first,
            End = first + count,
            AfterCall = afterCall,
            OnStep = onStep,
            CancellationToken = cancellationToken,
        };
        // A handle of the run's own: steps dispose of the state that they have used.
        Tensor state = x.to(x.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32);
        return _method.Run(run, state).MoveToOuterDisposeScope();
    }

    private int LaterStart(int call)
    {
        if (call > 0) _method.CheckLaterStart(Options);
        return call;
    }
}
