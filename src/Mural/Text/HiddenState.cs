namespace Mural.Text;

/// <summary>Which layer's output of a text encoder a denoiser attends to (spec 4.2).</summary>
/// <param name="FromEnd">Layers that are left out at the end: 0 for the last one's output, 1 for the penultimate's.</param>
/// <param name="Normalized">Whether the final layer norm follows.</param>
internal readonly record struct HiddenState(int FromEnd, bool Normalized)
{
    /// <summary>Stable Diffusion 1 and 2: the last layer of the file, which in SD 2 is the penultimate of the encoder as it was trained.</summary>
    internal static HiddenState Last { get; } = new(0, Normalized: true);

    /// <summary>SDXL: the penultimate layer of both encoders, without norm.</summary>
    internal static HiddenState Penultimate { get; } = new(1, Normalized: false);

    /// <summary>
    /// Leaves out more layers. In diffusers' numbering 0 is none; A1111 and others count from 1, so that their 2 is 1 here.
    /// </summary>
    /// <exception cref="MuralException">The number is negative.</exception>
    internal HiddenState Skip(int clipSkip) => clipSkip >= 0
        ? this with { FromEnd = FromEnd + clipSkip }
        : throw new MuralException($"{clipSkip} layers of the text encoder cannot be skipped; give 0 for none, or more.");
}
