using Mural.Checkpoints;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>Refuses conditions and inputs that a network cannot take, before anything runs.</summary>
internal static class ConditioningCheck
{
    /// <exception cref="MuralException">The conditions do not suit the network.</exception>
    internal static void Require(UNetConditioning conditioning, UNetConfig config)
    {
        ArgumentNullException.ThrowIfNull(conditioning);
        Tensor text = conditioning.Text;
        if (text.dim() != 3 || text.shape[2] != config.CrossAttentionWidth || text.shape[0] < 1 || text.shape[1] < 1 || !text.is_floating_point())
            throw new MuralException(
                $"The text is {text.dtype} of shape {Sizes.Text(text.shape)}; this network takes floating point [batch, tokens, {config.CrossAttentionWidth}].");
        RequireSizes(conditioning, config);
        if (conditioning.GuidanceScale is not { } guidance) return;
        if (config.GuidanceEmbeddingWidth is null)
            throw new MuralException("This network does not take a guidance scale as a condition; only distilled ones (with time_cond_proj_dim) do, so leave it out.");
        if (!double.IsFinite(guidance)) throw new MuralException($"The guidance scale is {guidance}; give a finite number.");
    }

    /// <exception cref="MuralException">The latents or timesteps do not suit the network.</exception>
    internal static void Require(Tensor sample, Tensor timestep, UNetConfig config)
    {
        ArgumentNullException.ThrowIfNull(sample);
        ArgumentNullException.ThrowIfNull(timestep);
        if (sample.dim() != 4 || sample.shape[1] != config.InChannels || sample.numel() == 0 || !sample.is_floating_point())
            throw new MuralException(
                $"The latents are {sample.dtype} of shape {Sizes.Text(sample.shape)}; this network takes floating point [batch, {config.InChannels}, height, width].");
        if (timestep.numel() != 1 && (timestep.dim() != 1 || timestep.shape[0] != sample.shape[0]))
            throw new MuralException($"Timesteps of shape {Sizes.Text(timestep.shape)} do not fit {sample.shape[0]} latents; give one for each, or one for all.");
    }

    private static void RequireSizes(UNetConditioning conditioning, UNetConfig config)
    {
        if (config.AddedEmbeddingWidth is not { } width)
        {
            if (conditioning.PooledText is not null || conditioning.SizeNumbers is not null)
                throw new MuralException("This network takes neither a pooled text nor sizes as conditions; only those of the SDXL family do, so leave them out.");
            return;
        }
        if (conditioning.PooledText is not { } pooled || conditioning.SizeNumbers is not { } numbers)
            throw new MuralException("This network, of the SDXL family, also takes a pooled text and sizes as conditions; give PooledText and SizeNumbers.");
        long batch = conditioning.Text.shape[0];
        bool fits = pooled.dim() == 2 && numbers.dim() == 2 && pooled.shape[0] == batch && numbers.shape[0] == batch
            && pooled.shape[1] + numbers.shape[1] * config.SizeEmbeddingWidth == width;
        if (!fits)
            throw new MuralException(
                $"A pooled text of shape {Sizes.Text(pooled.shape)} and sizes of shape {Sizes.Text(numbers.shape)} do not fit this network with {batch} texts; "
                    + $"give one row for each text, {width} values with each size as {config.SizeEmbeddingWidth} of them.");
    }
}
