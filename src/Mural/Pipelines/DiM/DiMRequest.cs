using Mural.DiM;
using Mural.Samplers;

namespace Mural.Pipelines;

/// <summary>What is to be painted. Whatever is null is taken from the model.</summary>
public sealed record DiMRequest
{
    /// <summary>Words to paint, of which those in the model's vocabulary count; or, for a model of numbered classes, a class's number. Empty for anything.</summary>
    public string Prompt { get; init; } = "";

    /// <summary>Width in pixels before upscaling, a multiple of the size of a token.</summary>
    public int? Width { get; init; }

    /// <summary>Height in pixels before upscaling, a multiple of the size of a token.</summary>
    public int? Height { get; init; }

    /// <summary>How many times larger the picture is painted than <see cref="Width"/> and <see cref="Height"/> say; 1 is as they say.</summary>
    public int Upscale { get; init; } = 1;

    /// <summary>Sampling steps, counted in network evaluations, at least 1.</summary>
    public int? Steps { get; init; }

    /// <summary>Guidance scale in the common convention: 1 is none, and the scale s of the DiM paper is this minus 1.</summary>
    public double? Guidance { get; init; }

    /// <summary>Seed of the first picture; picture i has this seed plus i, and is the same whether painted alone or with others.</summary>
    public ulong Seed { get; init; }

    /// <summary>How many pictures, at least 1.</summary>
    public int Count { get; init; } = 1;

    /// <summary>The solver's settings, or null for those of this kind of model; where <see cref="Steps"/> is given, it overrides theirs.</summary>
    public DpmSolverOptions? Solver { get; init; }

    /// <summary>How upscaling is guided, or null for the model's own way; its factor is overridden by <see cref="Upscale"/>.</summary>
    public UpsampleGuidanceOptions? UpsampleGuidance { get; init; }

    /// <summary>How the long skips are scaled when upscaling, or null for not at all.</summary>
    public SkipTuningOptions? SkipTuning { get; init; } = new();

    /// <summary>Called after each network evaluation with the state and the estimate, on the painting thread; for previews.</summary>
    public Action<SamplerStep>? OnStep { get; init; }

    /// <summary>Called with each picture once it is finished, in the order of their seeds, on the painting thread: a run that is ended later has not lost it.</summary>
    public Action<DiMPicture>? OnPicture { get; init; }
}
