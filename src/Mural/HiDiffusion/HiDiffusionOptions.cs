namespace Mural.HiDiffusion;

/// <summary>
/// HiDiffusion (arXiv 2311.17528): pictures beyond the size that a model was trained on, faster and with fewer repeated objects, without training. RAU-Net resamples the deep
/// blocks of the UNet to the size they know during the first steps; window attention splits the largest self-attentions into four shifted windows.
/// </summary>
public sealed record HiDiffusionOptions
{
    /// <summary>The values, each of which <see cref="T1"/>, <see cref="T2"/> and <see cref="Aggressive"/> replace where they are given.</summary>
    public HiDiffusionPreset Preset { get; init; }

    /// <summary>
    /// Share of the network calls during which the main resampling is on, from 0 to 1: the strided convolution of Stable Diffusion 1 and 2, the pooled block of SDXL. More
    /// fights repeated objects, less keeps detail. Null for the preset's.
    /// </summary>
    public double? T1 { get; init; }

    /// <summary>The same for the other resampling, which extreme sizes need. Null for the preset's.</summary>
    public double? T2 { get; init; }

    /// <summary>
    /// Whether SDXL begins with its strided convolution for the first 16 hundredths of the calls, and pools only after them; <see cref="T2"/> counts for nothing then.
    /// Null for the authors' choice: with <see cref="HiDiffusionPreset.Sides2048"/>, unless the model was made for inpainting or <see cref="T2"/> is given.
    /// </summary>
    public bool? Aggressive { get; init; }

    /// <summary>Whether deep blocks are resampled at all.</summary>
    public bool RauNet { get; init; } = true;

    /// <summary>Whether the largest self-attentions look at windows; those that LinFusion has made linear never do.</summary>
    public bool WindowAttention { get; init; } = true;

    /// <summary>Whether the up-sampler beside the strided convolution is the smoother one of the first release, of April 2024, in place of the one of June.</summary>
    public bool EarlierUpsampler { get; init; }

    /// <summary>
    /// Whether maps of an odd height or width are resized to even ones before they are split into windows, as the official code does, which blurs them. Otherwise windows are
    /// of unequal size.
    /// </summary>
    public bool ResizeOddMaps { get; init; }
}
