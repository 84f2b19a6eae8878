using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>
/// A network that is told what to paint: the noise in <paramref name="x"/> <c>[B, C, H, W]</c> at solver time <paramref name="time"/> for the
/// conditions <paramref name="condition"/>, whose first dimension is B (class indices <c>[B]</c>, or word indices <c>[B, N]</c>).
/// </summary>
public delegate Tensor ConditionalDenoiser(Tensor x, double time, Tensor condition);

/// <summary>What a guidance scale is counted from.</summary>
public enum GuidanceConvention
{
    /// <summary>cond + s (cond − uncond), as the DiM paper counts: 0 is no guidance.</summary>
    Official,

    /// <summary>uncond + g (cond − uncond), as Stable Diffusion and DiT count: 1 is no guidance, g = 1 + s.</summary>
    Common,
}

/// <summary>How strongly the condition is followed.</summary>
/// <param name="Scale">The scale; at or below the convention's "no guidance", the unconditional prediction is not computed.</param>
/// <param name="Convention">What the scale is counted from.</param>
/// <param name="Batched">Whether both predictions come from one call on a batch of twice the size (faster) or from two (less memory).</param>
public sealed record GuidanceOptions(double Scale, GuidanceConvention Convention = GuidanceConvention.Official, bool Batched = true)
{
    /// <summary>s of the official convention.</summary>
    internal double Strength => Convention == GuidanceConvention.Common ? Scale - 1 : Scale;
}

/// <summary>Classifier-free guidance (Ho and Salimans, arXiv 2207.12598; DiM specification 4.4), on all channels and at all times alike.</summary>
public static class ClassifierFreeGuidance
{
    /// <summary>Turns a conditional network into a denoiser for one batch.</summary>
    /// <param name="network">The network; the conditional call comes first.</param>
    /// <param name="condition">What each picture is to show, first dimension B.</param>
    /// <param name="unconditional">The empty condition, of the same shape and type.</param>
    /// <param name="options">Scale and convention.</param>
    public static Denoiser Wrap(ConditionalDenoiser network, Tensor condition, Tensor unconditional, GuidanceOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        double strength = options.Strength;
        if (!(strength > 0)) return (x, time) => network(x, time, condition);
        return (x, time) =>
        {
            using var scope = NewDisposeScope();
            (Tensor with, Tensor without) = options.Batched ? Both(network, x, time, condition, unconditional) : (network(x, time, condition), network(x, time, unconditional));
            return with.add(with - without, alpha: strength).MoveToOuterDisposeScope();
        };
    }

    private static (Tensor, Tensor) Both(ConditionalDenoiser network, Tensor x, double time, Tensor condition, Tensor unconditional)
    {
        Tensor both = network(cat([x, x]), time, cat([condition, unconditional]));
        Tensor[] halves = both.chunk(2);
        return (halves[0], halves[1]);
    }
}
