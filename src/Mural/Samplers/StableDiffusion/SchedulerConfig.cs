using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Mural.Samplers;

/// <summary>Reads diffusers' <c>scheduler_config.json</c> (Stable Diffusion specification 1.2) as <see cref="SamplerOptions"/>.</summary>
internal sealed partial class SchedulerConfig
{
    private const string FileName = "scheduler_config.json";

    private static readonly Dictionary<string, BetaSchedule> BetaSchedules = new()
    {
        ["linear"] = BetaSchedule.Linear,
        ["scaled_linear"] = BetaSchedule.ScaledLinear,
        ["squaredcos_cap_v2"] = BetaSchedule.SquaredCosine,
        ["sigmoid"] = BetaSchedule.Sigmoid,
        ["laplace"] = BetaSchedule.Laplace,
        ["exp"] = BetaSchedule.Exponential,
    };

    private static readonly Dictionary<string, PredictionType> PredictionTypes = new()
    {
        ["epsilon"] = PredictionType.Epsilon,
        ["v_prediction"] = PredictionType.VPrediction,
        ["sample"] = PredictionType.Sample,
        ["original_sample"] = PredictionType.Sample,
    };

    private static readonly Dictionary<string, TimestepSpacing> Spacings = new()
    {
        ["leading"] = TimestepSpacing.Leading,
        ["linspace"] = TimestepSpacing.Linspace,
        ["trailing"] = TimestepSpacing.Trailing,
    };

    private static readonly Dictionary<string, SigmaInterpolation> Interpolations = new()
    {
        ["linear"] = SigmaInterpolation.Linear,
        ["log_linear"] = SigmaInterpolation.LogLinear,
    };

    // Whether timesteps are continuous.
    private static readonly Dictionary<string, bool> TimestepTypes = new() { ["discrete"] = false, ["continuous"] = true };

    private static readonly Dictionary<string, FinalSigma> FinalSigmas = new() { ["zero"] = FinalSigma.Zero, ["sigma_min"] = FinalSigma.SigmaMin };

    private static readonly Dictionary<string, VarianceType> VarianceTypes = new()
    {
        ["fixed_small"] = VarianceType.FixedSmall,
        ["fixed_small_log"] = VarianceType.FixedSmallLog,
        ["fixed_large"] = VarianceType.FixedLarge,
    };

    private static readonly Dictionary<string, SolverAlgorithm> Algorithms = new()
    {
        ["dpmsolver"] = SolverAlgorithm.DpmSolver,
        ["dpmsolver++"] = SolverAlgorithm.DpmSolverPlusPlus,
        ["sde-dpmsolver"] = SolverAlgorithm.SdeDpmSolver,
        ["sde-dpmsolver++"] = SolverAlgorithm.SdeDpmSolverPlusPlus,
        // DEIS configurations read by a DPM-Solver.
        ["deis"] = SolverAlgorithm.DpmSolverPlusPlus,
    };

    private static readonly Dictionary<string, SolverType> SolverTypes = new()
    {
        ["midpoint"] = SolverType.Midpoint,
        ["heun"] = SolverType.Heun,
        ["bh1"] = SolverType.Bh1,
        ["bh2"] = SolverType.Bh2,
        ["logrho"] = SolverType.Midpoint,
    };

    // The first one that is set holds.
    private static readonly (string Key, SigmaSchedule Schedule)[] Schedules =
    [
        ("use_karras_sigmas", SigmaSchedule.Karras), ("use_lu_lambdas", SigmaSchedule.Lu),
        ("use_exponential_sigmas", SigmaSchedule.Exponential), ("use_beta_sigmas", SigmaSchedule.Beta),
    ];

    private readonly JsonObject _json;
    private readonly string _source;

    private SchedulerConfig(JsonObject json, string source)
    {
        _json = json;
        _source = source;
    }

    internal static SamplerOptions Read(string path)
    {
        string file = Directory.Exists(path) ? Path.Combine(path, FileName) : path;
        if (!File.Exists(file)) throw new MuralException($"There is no file {file}; give the folder of a scheduler that holds {FileName}.");
        return Parse(Checkpoints.TextFile.Read(file), file);
    }

    /// <summary>The options that the text of a configuration states.</summary>
    /// <param name="text">The text.</param>
    /// <param name="source">What messages call it.</param>
    internal static SamplerOptions Parse(string text, string source)
    {
        try
        {
            return JsonNode.Parse(BareInfinity().Replace(text, "$1\"$2\"")) is JsonObject json
                ? Read(json, source)
                : throw new MuralException($"{source} holds no JSON object; give the {FileName} of a model.");
        }
        catch (JsonException e)
        {
            throw new MuralException($"{source} is not valid JSON; give the {FileName} of a model.", e);
        }
    }

    /// <summary>The options that a configuration states.</summary>
    /// <param name="json">The configuration.</param>
    /// <param name="source">What messages call it.</param>
    internal static SamplerOptions Read(JsonObject json, string source) => new SchedulerConfig(json, source).Options();

    private SamplerOptions Options()
    {
        var defaults = new SamplerOptions();
        string? name = Text("_class_name"), plain = PlainClass();
        if (Flag("use_flow_sigmas") is true || Text("prediction_type") == "flow_prediction") throw Unsupported("flow matching");
        // Their models expect inputs and outputs scaled in another way, whatever the sampler.
        if (name?.StartsWith("EDM", StringComparison.Ordinal) is true || _json["sigma_data"] is not null) throw Unsupported("the scaling of EDM");
        return new SamplerOptions
        {
            Sampler = KindOf(plain),
            UnknownClass = name ?? "without a name",
            TrainTimesteps = Integer("num_train_timesteps") ?? defaults.TrainTimesteps,
            BetaSchedule = Choice("beta_schedule", BetaSchedules),
            BetaStart = Number("beta_start"),
            BetaEnd = Number("beta_end"),
            TrainedBetas = List<double>("trained_betas"),
            RescaleBetasZeroSnr = Flag("rescale_betas_zero_snr") ?? false,
            PredictionType = Choice("prediction_type", PredictionTypes) ?? PredictionType.Epsilon,
            TimestepSpacing = Choice("timestep_spacing", Spacings),
            StepsOffset = Integer("steps_offset") ?? 0,
            ContinuousTimesteps = Choice("timestep_type", TimestepTypes) ?? false,
            SigmaSchedule = Schedule(KindOf(plain)),
            // A configuration keeps what the class before it knew; it means nothing to one that does not know it.
            SigmaInterpolation = (plain == Euler.Method.SchedulerClass ? Choice("interpolation_type", Interpolations) : null) ?? SigmaInterpolation.Linear,
            SigmaMin = Number("sigma_min"),
            SigmaMax = Number("sigma_max"),
            FinalSigma = Choice("final_sigmas_type", FinalSigmas) ?? FinalSigma.Zero,
            ClipSample = Flag("clip_sample"),
            ClipSampleRange = Number("clip_sample_range") ?? defaults.ClipSampleRange,
            Thresholding = Flag("thresholding") ?? false,
            DynamicThresholdingRatio = Number("dynamic_thresholding_ratio") ?? defaults.DynamicThresholdingRatio,
            SampleMaxValue = Number("sample_max_value") ?? defaults.SampleMaxValue,
            SetAlphaToOne = Flag("set_alpha_to_one"),
            SkipPrkSteps = Flag("skip_prk_steps") ?? false,
            VarianceType = Choice("variance_type", VarianceTypes) ?? VarianceType.FixedSmall,
            SolverAlgorithm = Choice("algorithm_type", Algorithms) ?? SolverAlgorithm.DpmSolverPlusPlus,
            SolverType = Choice("solver_type", SolverTypes),
            SolverOrder = Integer("solver_order") ?? defaults.SolverOrder,
            LowerOrderFinal = Flag("lower_order_final"),
            EulerAtFinal = Flag("euler_at_final") ?? false,
            LambdaMinClipped = Clip(),
            PredictX0 = Flag("predict_x0") ?? true,
            DisableCorrector = List<int>("disable_corrector") ?? [],
            OriginalInferenceSteps = Integer("original_inference_steps") ?? defaults.OriginalInferenceSteps,
            TimestepScaling = Number("timestep_scaling") ?? defaults.TimestepScaling,
        };
    }

    private static SamplerKind? KindOf(string? schedulerClass) => SamplerMethods.All.FirstOrDefault(method => method.SchedulerClass == schedulerClass)?.Kind;

    // The reference has some classes twice, for another framework and for states of many timesteps at once; they are configured and compute alike.
    private string? PlainClass()
    {
        string? name = Text("_class_name");
        if (name?.StartsWith("Flax", StringComparison.Ordinal) is true) name = name["Flax".Length..];
        return name is "DDIMParallelScheduler" or "DDPMParallelScheduler" ? name.Replace("Parallel", "", StringComparison.Ordinal) : name;
    }

    private SigmaSchedule Schedule(SamplerKind? kind)
    {
        if (kind == SamplerKind.EulerAncestral) return SigmaSchedule.FromTimesteps;
        bool lu = kind is null or SamplerKind.DpmMultistep;
        (string Key, SigmaSchedule Schedule)[] asked = [.. Schedules.Where(entry => Flag(entry.Key) is true && (lu || entry.Schedule != SigmaSchedule.Lu))];
        // Lu's may stand beside another, as in the reference.
        string[] contradicting = [.. asked.Where(entry => entry.Schedule != SigmaSchedule.Lu).Select(entry => entry.Key)];
        if (contradicting.Length > 1) throw new MuralException($"{_source} sets {contradicting[0]} and {contradicting[1]}; set one of them to false.");
        return asked.Length == 0 ? SigmaSchedule.FromTimesteps : asked[0].Schedule;
    }

    private double Clip() => _json["lambda_min_clipped"] is JsonValue value && value.TryGetValue(out string? text) && text == "-Infinity"
        ? double.NegativeInfinity
        : Number("lambda_min_clipped") ?? double.NegativeInfinity;

    private T? Choice<T>(string key, Dictionary<string, T> choices) where T : struct
    {
        if (Text(key) is not { } text) return null;
        return choices.TryGetValue(text, out T choice)
            ? choice
            : throw new MuralException($"{_source} has {key} {Checkpoints.Quote.Name(text)}, which is not supported; {string.Join(", ", choices.Keys)} are.");
    }

    private string? Text(string key) => _json[key] is null ? null : Value<string>(key, "a text");

    private int? Integer(string key) => _json[key] is null ? null : Value<int>(key, "a whole number");

    private double? Number(string key) => _json[key] is null ? null : Value<double>(key, "a number");

    private bool? Flag(string key) => _json[key] is null ? null : Value<bool>(key, "true or false");

    private T[]? List<T>(string key)
    {
        if (_json[key] is not { } node) return null;
        return node is JsonArray array && array.All(element => element is JsonValue value && value.TryGetValue(out T? _))
            ? [.. array.Select(element => element!.GetValue<T>())]
            : throw Wrong(key, "a list of numbers");
    }

    private T Value<T>(string key, string expected) => _json[key] is JsonValue value && value.TryGetValue(out T? found) ? found : throw Wrong(key, expected);

    // diffusers writes infinite numbers bare, which JSON does not allow.
    [GeneratedRegex(@"(:\s*)(-?Infinity)\b")]
    private static partial Regex BareInfinity();

    private MuralException Wrong(string key, string expected) => new($"{_source} has {key} {_json[key]!.ToJsonString()}, but {expected} is expected; correct the file.");

    private MuralException Unsupported(string what) => new($"{_source} asks for {what}, which is not supported; use a Stable Diffusion model.");
}
