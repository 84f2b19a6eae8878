namespace Mural.HiDiffusion;

/// <summary>What a person should know of the options of HiDiffusion in a run.</summary>
internal static class HiDiffusionNotes
{
    /// <summary>Sentences about options that count for nothing.</summary>
    internal static IEnumerable<string> Unused(HiDiffusionPlan plan)
    {
        HiDiffusionOptions options = plan.Options;
        if (options is { RauNet: false, WindowAttention: false })
        {
            yield return "Without resampling and without window attention HiDiffusion does nothing; leave one of them on, or HiDiffusion out.";
            yield break;
        }
        if (!options.RauNet)
        {
            string[] unused = [.. OfResampling(options)];
            if (unused.Length > 0)
                yield return $"Without resampling HiDiffusion does not use {string.Join(", ", unused)}; leave {(unused.Length == 1 ? "it" : "them")} out, or the resampling on.";
            yield break;
        }
        if (options.Aggressive == true && plan.Architecture.Family == HiDiffusionFamily.StableDiffusion)
            yield return "HiDiffusion's aggressive way is for Stable Diffusion XL, so that it is not used; leave it out, or use a model of Stable Diffusion XL.";
        else if (options is { Aggressive: true, T2: > 0 })
            yield return "In its aggressive way HiDiffusion does not use T2; leave one of the two out.";
        if (options.EarlierUpsampler && plan.Strided == default)
            yield return "HiDiffusion's earlier up-sampler stands beside the strided convolution, which no call of the run has, so that it is not used; leave it out.";
    }

    private static IEnumerable<string> OfResampling(HiDiffusionOptions options)
    {
        if (options.T1 > 0) yield return "T1";
        if (options.T2 > 0) yield return "T2";
        if (options.Aggressive == true) yield return "the aggressive way";
        if (options.EarlierUpsampler) yield return "the earlier up-sampler";
    }
}
