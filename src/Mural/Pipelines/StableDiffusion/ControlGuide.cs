using Mural.HiDiffusion;
using Mural.Imaging;
using Mural.Samplers;
using Mural.UNet;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>A ControlNet in a run, with the picture that it makes the result follow (Stable Diffusion specification 7.1).</summary>
internal sealed class ControlGuide : IDisposable
{
    private readonly ControlInput _input;
    private readonly PreparedTexts _prepared;
    private readonly Tensor _picture;
    private readonly HiDiffusionPlan? _hiDiffusion;
    private readonly int _steps;
    private Tensor? _embedded;

    internal ControlGuide(ControlInput input, StableDiffusionPlan plan, Device device)
    {
        _input = input;
        _hiDiffusion = plan.HiDiffusion;
        _steps = plan.RunSteps;
        _prepared = new PreparedTexts(input.Network.Prepare);
        using DisposeScope scope = NewDisposeScope();
        Tensor picture = input.Values?.to(device) ?? PictureTensors.Unit(PictureResizer.Resize(input.Picture.ToRgb(), plan.Width, plan.Height), device);
        int scale = input.Network.Config.Downscale;
        _picture = (_hiDiffusion?.ControlSize is { } size ? Nearest(picture, size.Height * scale, size.Width * scale) : picture.alias()).DetachFromDisposeScope();
    }

    /// <summary>What all ControlNets together add in one call, or null for nothing.</summary>
    /// <param name="guides">The ControlNets.</param>
    /// <param name="texts">The texts of the call.</param>
    /// <param name="group">Those of them that are run now.</param>
    /// <param name="latents">The latents, once for each of these.</param>
    /// <param name="timestep">The timestep.</param>
    /// <param name="call">The call.</param>
    internal static ControlResiduals? Sum(
        IReadOnlyList<ControlGuide> guides, GuidingTexts texts, IReadOnlyList<GuidingText> group, Tensor latents, Tensor timestep, DenoiserCall call)
    {
        ControlResiduals[] residuals = [.. guides.Select(guide => guide.Residuals(texts, group, latents, timestep, call)).OfType<ControlResiduals>()];
        return residuals.Length switch { 0 => null, 1 => residuals[0], _ => ControlResiduals.Sum(residuals) };
    }

    public void Dispose()
    {
        _prepared.Dispose();
        _picture.Dispose();
        _embedded?.Dispose();
    }

    private ControlResiduals? Residuals(GuidingTexts texts, IReadOnlyList<GuidingText> group, Tensor latents, Tensor timestep, DenoiserCall call)
    {
        if (!CallRange.Holds(call, _input.Start, _input.End) || _hiDiffusion?.Controls(call.Index, _steps) == false) return null;
        _prepared.Use(texts);
        int batch = (int)latents.shape[0] / group.Count;
        // Networks that see their picture as a whole are used so too, as the reference does.
        if (!_input.ControlsPromptOnly || !group[0].IsNegative) return Run(group, latents, timestep, batch);
        // What the picture is led away from is not controlled.
        if (group.Count == 1) return null;
        using Tensor followed = latents.narrow(0, batch, latents.shape[0] - batch);
        return Run(texts.Positives, followed, timestep, batch).AfterZeros(batch);
    }

    private ControlResiduals Run(IReadOnlyList<GuidingText> group, Tensor latents, Tensor timestep, int batch)
    {
        PreparedPrompt prompt = _prepared.Of(group, batch);
        _embedded ??= _input.Network.EmbedPicture(_picture, prompt).DetachFromDisposeScope();
        using Tensor sample = _hiDiffusion?.ControlSize is { } size ? Nearest(latents, size.Height, size.Width) : latents.alias();
        return _input.Network.Forward(sample, timestep, prompt, _embedded, _input.Scale, _input.GuessMode);
    }

    private static Tensor Nearest(Tensor map, long height, long width) => nn.functional.interpolate(map, [height, width], mode: InterpolationMode.Nearest);
}
