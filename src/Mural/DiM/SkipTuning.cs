namespace Mural.DiM;

/// <summary>Scaling of the long skips, as the upsampling configurations of the official code ask for (spec dim.md 6.4).</summary>
public static class SkipTuning
{
    /// <summary>
    /// Factors that go linearly from <paramref name="first"/> at the first decoder block to first + (<paramref name="parameter"/> - first) · q at the last.
    /// </summary>
    /// <param name="decoderBlocks">How many decoder blocks there are.</param>
    /// <param name="parameter">The official setting; 0.82 in the released configurations.</param>
    /// <param name="q">0.001 does what the released code does, which is next to nothing; the diffusion time in 0..1 does what it seems to have meant.</param>
    /// <param name="first">Factor of the first decoder block.</param>
    /// <returns>One factor a decoder block, for <see cref="DiMForwardOptions.SkipFactors"/>.</returns>
    public static double[] Factors(int decoderBlocks, double parameter = 0.82, double q = 0.001, double first = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(decoderBlocks);
        double last = first + (parameter - first) * q;
        return [.. Enumerable.Range(0, decoderBlocks).Select(i => decoderBlocks == 1 ? first : first + (last - first) * i / (decoderBlocks - 1))];
    }
}
