using Mural.HiDiffusion;

namespace Mural.Report;

/// <summary>How a picture is painted.</summary>
/// <param name="Factor">How many times the trained side it has.</param>
/// <param name="HiDiffusion">Parts of HiDiffusion, or null for none.</param>
/// <param name="Steps">Sampling steps, or null for the model's.</param>
/// <param name="Guidance">Guidance scale, or null for the model's.</param>
internal sealed record PaintSettings(int Factor = 1, HiDiffusionOptions? HiDiffusion = null, int? Steps = null, double? Guidance = null)
{
    internal const string Plain = "none";

    private static readonly Dictionary<string, HiDiffusionOptions?> ByName = new()
    {
        [Plain] = null,
        ["raunet"] = new HiDiffusionOptions { WindowAttention = false },
        ["windows"] = new HiDiffusionOptions { RauNet = false },
        ["both"] = new HiDiffusionOptions(),
    };

    internal static IEnumerable<string> HiDiffusionNames => ByName.Keys;

    internal static PaintSettings Of(int factor, string hiDiffusion, int? steps = null, double? guidance = null) => new(factor, ByName[hiDiffusion], steps, guidance);
}
