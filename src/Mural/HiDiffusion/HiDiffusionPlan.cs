namespace Mural.HiDiffusion;

/// <summary>Some of a run's calls in a row: none where both are 0.</summary>
/// <param name="Begin">The first of them.</param>
/// <param name="End">The first that is none of them.</param>
internal readonly record struct CallSpan(int Begin, int End)
{
    /// <summary>The calls between two, or none.</summary>
    internal static CallSpan Of(int begin, int end) => begin < end ? new(begin, end) : default;

    internal bool Holds(int call) => call >= Begin && call < End;
}

/// <summary>
/// What HiDiffusion does in a run: a pure function of the network's architecture, the latents' size, the number of network calls and the options (specification 2.5, 3.1).
/// It is computed before the run and remembers nothing during it.
/// </summary>
internal sealed record HiDiffusionPlan
{
    // Share of the calls that SDXL's aggressive way begins with, and that of the steps that bounds the calls in which ControlNets take part.
    private const double AggressiveShare = 8.0 / 50, ControlledShare = 0.6;

    /// <summary>The network.</summary>
    internal required HiDiffusionArchitecture Architecture { get; init; }

    /// <summary>Calls whose step down at <see cref="HiDiffusionArchitecture.StridedLevel"/> is twice as large.</summary>
    internal required CallSpan Strided { get; init; }

    /// <summary>Calls in which the map of <see cref="HiDiffusionArchitecture.PooledLevel"/> is halved.</summary>
    internal required CallSpan Pooled { get; init; }

    /// <summary>Whether self-attentions look at windows, in all calls.</summary>
    internal required bool Windowed { get; init; }

    /// <summary>What only a step needs to know.</summary>
    internal required HiDiffusionOptions Options { get; init; }

    /// <summary>
    /// Height and width of the latents that ControlNets see, or null for those that the UNet sees: they were trained for maps of the size to which its deep blocks are
    /// resampled (specification 4.1, whether or not they are).
    /// </summary>
    internal (long Height, long Width)? ControlSize { get; init; }

    /// <summary>What would have deep blocks resampled where they are to be and are not, or null.</summary>
    internal string? Remedy { get; init; }

    /// <summary>The plan of a run.</summary>
    /// <param name="architecture">The network.</param>
    /// <param name="height">Height of the latents.</param>
    /// <param name="width">Their width.</param>
    /// <param name="calls">Network calls of the run, guidance counted once.</param>
    /// <param name="options">What is asked for.</param>
    /// <param name="controlled">Whether noise, not a picture, is painted under the control of a picture.</param>
    /// <exception cref="MuralException">The network's family has no such preset, or a share is out of range.</exception>
    internal static HiDiffusionPlan For(HiDiffusionArchitecture architecture, long height, long width, int calls, HiDiffusionOptions options, bool controlled = false)
    {
        Require("T1", options.T1);
        Require("T2", options.T2);
        HiDiffusionFamily family = architecture.Family;
        HiDiffusionPreset preset = options.Preset == HiDiffusionPreset.Automatic ? SwitchRatios.PresetFor(architecture, height, width) : options.Preset;
        SwitchRatios usual = SwitchRatios.Of(architecture, preset, controlled);
        SwitchRatios ratios = new(options.T1 ?? usual.T1, options.T2 ?? usual.T2);
        // Only SDXL's networks have the aggressive way; the choice of it says nothing where there is none.
        bool? way = family == HiDiffusionFamily.StableDiffusion ? null : options.Aggressive;
        bool aggressive = family != HiDiffusionFamily.StableDiffusion && (way ?? (preset == HiDiffusionPreset.Sides2048 && !architecture.Inpaints && options.T2 is null));
        bool chosen = options.Preset != HiDiffusionPreset.Automatic || options.T1 is not null || options.T2 is not null || way is not null;
        bool acts = chosen || height * width > (long)architecture.TrainedSide * architecture.TrainedSide, resamples = options.RauNet && acts;
        bool ever = aggressive || ratios.T1 > 0 || ratios.T2 > 0;
        (CallSpan strided, CallSpan pooled) = Spans(family, ratios, aggressive, calls);
        bool inCalls = strided != default || pooled != default;
        return new HiDiffusionPlan
        {
            Architecture = architecture,
            Strided = resamples ? strided : default,
            Pooled = resamples ? pooled : default,
            Windowed = options.WindowAttention,
            Options = options,
            ControlSize = acts && (options.RauNet || options.WindowAttention) ? SizeForControl(architecture, height, width) : null,
            Remedy = !options.RauNet || (acts && inCalls) ? null : RemedyFor(acts, ever, inCalls),
        };
    }

    /// <summary>Whether deep blocks are resampled in any call.</summary>
    internal bool Resamples => Strided != default || Pooled != default;

    /// <summary>
    /// Whether ControlNets take part in a call: the official code compares its number with a share of the steps, also where a step is two calls (specification 4.1).
    /// </summary>
    /// <param name="call">How many calls were made before.</param>
    /// <param name="steps">Steps of the run.</param>
    internal bool Controls(int call, int steps) => ControlSize is null || call < ControlledShare * steps;

    /// <summary>What is done in one call.</summary>
    /// <param name="call">How many calls were made before.</param>
    /// <param name="shifts">Where windows begin; drawn from once for each windowed block.</param>
    internal HiDiffusionStep At(int call, IWindowShifts shifts) => new()
    {
        StridedLevel = Strided.Holds(call) ? Architecture.StridedLevel : null,
        PooledLevel = Pooled.Holds(call) ? Architecture.PooledLevel : null,
        EarlierUpsampler = Options.EarlierUpsampler,
        ResizesOddMaps = Options.ResizeOddMaps,
        Windows = Windowed ? Architecture.Windowed.Index().ToDictionary(block => block.Item, block => shifts.Next(block.Index)) : HiDiffusionStep.NoWindows,
    };

    /// <summary>The kinds of calls that a run is made of, in the order in which they come, each by its first, and how many there are of each.</summary>
    /// <param name="calls">Network calls of the run.</param>
    /// <param name="shifts">See <see cref="At"/>.</param>
    internal IReadOnlyList<(HiDiffusionStep Step, int Calls)> Kinds(int calls, IWindowShifts shifts) =>
        [.. Enumerable.Range(0, calls).Select(call => At(call, shifts)).GroupBy(step => (step.StridedLevel, step.PooledLevel)).Select(kind => (kind.First(), kind.Count()))];

    // The main resampling is the strided convolution of Stable Diffusion 1 and 2, but the pooled block of SDXL, before which the aggressive way has the strided convolution for a
    // while.
    private static (CallSpan Strided, CallSpan Pooled) Spans(HiDiffusionFamily family, SwitchRatios ratios, bool aggressive, int calls)
    {
        int main = (int)(calls * ratios.T1), other = (int)(calls * ratios.T2), first = (int)(AggressiveShare * calls);
        if (aggressive) return (CallSpan.Of(0, first), CallSpan.Of(first, main));
        return family == HiDiffusionFamily.StableDiffusion ? (CallSpan.Of(0, main), CallSpan.Of(0, other)) : (CallSpan.Of(0, other), CallSpan.Of(0, main));
    }

    private static string RemedyFor(bool acts, bool ever, bool inCalls) => (acts, ever, inCalls) switch
    {
        (_, false, _) => "a T1 above 0",
        (false, _, true) => "a larger picture",
        (false, _, false) => "a larger picture and more steps",
        _ => "more steps",
    };

    // The longer side is that of training, and both are multiples of 8.
    private static (long, long) SizeForControl(HiDiffusionArchitecture architecture, long height, long width)
    {
        const int Multiple = 8;
        double factor = Math.Max((double)height / architecture.ControlSide, (double)width / architecture.ControlSide);
        long Fitted(long side) => Math.Max((long)(side / factor) / Multiple * Multiple, Multiple);
        return (Fitted(height), Fitted(width));
    }

    private static void Require(string name, double? share)
    {
        if (share is { } value && !(value >= 0 && value <= 1))
            throw new MuralException($"HiDiffusion's {name} is {value}; give a share of the steps from 0 to 1.");
    }
}
