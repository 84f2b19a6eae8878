using Mural.Layers.Strips;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

// Latents of any size in bounded memory: beside the skips there are a few maps of each level, and of everything between them some rows or tokens at a time.
public sealed partial class UNet2DConditionModel
{
    /// <summary><see cref="Forward"/> on maps that are looked at in strips, one latent after the other; the same result but for rounding.</summary>
    /// <param name="sample">Latents. Shape: <c>[B, in, h, w]</c>.</param>
    /// <param name="timestep">One value for all.</param>
    /// <param name="prompt">Made by <see cref="Prepare"/>, for one latent.</param>
    /// <param name="options">How; maps on the disk are those of the skips.</param>
    internal Tensor ForwardInStrips(Tensor sample, Tensor timestep, PreparedPrompt prompt, StripOptions options)
    {
        ConditioningCheck.Require(sample, timestep, Config);
        prompt.Require(this, 1);
        using IDisposable? guard = _inference.Guard();
        using DisposeScope scope = NewDisposeScope();
        BlockInputs inputs = _encoder.Embed(timestep.reshape(-1), prompt, null);
        // Maps that are worked on stay in memory: each is read several times.
        using var runner = new StripRunner(prompt.Type, sample.device, options with { Folder = null });
        Tensor output = empty([sample.shape[0], Config.OutChannels, sample.shape[2], sample.shape[3]], sample.dtype, sample.device);
        for (long i = 0; i < sample.shape[0]; i++)
        {
            using DisposeScope latent = NewDisposeScope();
            var skips = new SkipMaps(runner, options.Folder);
            WritableMap hidden = _encoder.Run(sample.narrow(0, i, 1).to(prompt.Type), skips, inputs, runner);
            foreach (UpBlock block in _up) hidden = block.Run(hidden, skips, inputs, runner);
            Tensor target = output.narrow(0, i, 1);
            using (hidden) runner.Stream(hidden, _output, _norm, (first, rows) => target.narrow(2, first, rows.shape[2]).copy_(rows));
        }
        return output.MoveToOuterDisposeScope();
    }
}
