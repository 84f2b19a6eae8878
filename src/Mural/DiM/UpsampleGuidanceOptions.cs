namespace Mural.DiM;

/// <summary>Settings of <see cref="UpsampleGuidance"/>; the defaults are those of the released 2x and 3x configurations (DiM specification 6.1).</summary>
public sealed record UpsampleGuidanceOptions
{
    /// <summary>m: how many times longer the picture's sides are than those that the model was trained on, at least 1.</summary>
    public int Factor { get; init; } = 2;

    /// <summary>θ: how strongly the small picture leads, 0 for not at all.</summary>
    public double Strength { get; init; } = 1;

    /// <summary>η: the share of the time, from the start, in which it leads.</summary>
    public double Share { get; init; } = 0.3;

    /// <summary>T: the time that <see cref="Share"/> is a share of.</summary>
    public double TotalTime { get; init; } = 1;

    internal void Validate()
    {
        if (Factor < 1) throw new MuralException($"The upsampling factor is {Factor}, but must be a whole number from 1.");
    }
}
