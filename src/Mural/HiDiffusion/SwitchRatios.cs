namespace Mural.HiDiffusion;

/// <summary>Shares of the calls during which a resampling is on (HiDiffusion specification 2.5).</summary>
/// <param name="T1">The main one.</param>
/// <param name="T2">The one for extreme sizes.</param>
internal readonly record struct SwitchRatios(double T1, double T2)
{
    /// <summary>The preset that holds where none is asked for.</summary>
    internal static HiDiffusionPreset PresetFor(HiDiffusionArchitecture architecture, long height, long width)
    {
        bool large = Math.Min(height, width) >= architecture.LargeSide;
        return architecture.Family switch
        {
            HiDiffusionFamily.FewSteps => HiDiffusionPreset.FewSteps,
            HiDiffusionFamily.StableDiffusionXL => large ? HiDiffusionPreset.Sides4096 : HiDiffusionPreset.Sides2048,
            _ => large ? HiDiffusionPreset.Sides2048 : HiDiffusionPreset.Sides1024,
        };
    }

    /// <summary>A preset's values.</summary>
    /// <param name="architecture">The network.</param>
    /// <param name="preset">A preset other than the automatic one.</param>
    /// <param name="controlled">Whether noise, not a picture, is painted under the control of a picture.</param>
    /// <exception cref="MuralException">The family has no such preset.</exception>
    internal static SwitchRatios Of(HiDiffusionArchitecture architecture, HiDiffusionPreset preset, bool controlled) => (architecture.Family, preset) switch
    {
        (HiDiffusionFamily.StableDiffusion, HiDiffusionPreset.Sides1024) => architecture.IsSmall ? new(1, 0) : new(0.4, 0),
        (HiDiffusionFamily.StableDiffusion, HiDiffusionPreset.Sides2048) => architecture.IsSmall ? new(1, 1) : new(0.7, 0.3),
        (HiDiffusionFamily.StableDiffusion, _) => throw new MuralException(
            $"HiDiffusion's presets for Stable Diffusion 1 and 2 are 1024 and 2048, not {HiDiffusionWords.NameOf(preset)}; give one of them."),
        (_, HiDiffusionPreset.Sides2048) => new(controlled ? 0.5 : 0.4, 0),
        (_, HiDiffusionPreset.Sides4096) => new(0.7, 0.3),
        (_, HiDiffusionPreset.FewSteps) => new(0.5, 0),
        _ => throw new MuralException($"HiDiffusion's presets for Stable Diffusion XL are 2048, 4096 and turbo, not {HiDiffusionWords.NameOf(preset)}; give one of them."),
    };
}
