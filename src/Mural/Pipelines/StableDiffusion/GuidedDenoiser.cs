using Mural.HiDiffusion;
using Mural.Layers.Strips;
using Mural.Samplers;
using Mural.UNet;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Pipelines;

/// <summary>A UNet with everything around it: the texts of the step, guidance, ControlNets, HiDiffusion, and the channels that inpainting models see beside the latents.</summary>
internal sealed class GuidedDenoiser : IDisposable
{
    private readonly UNet2DConditionModel _unet;
    private readonly StableDiffusionPlan _plan;
    private readonly TextTimeline _timeline;
    private readonly PreparedTexts _prepared;
    private readonly List<ControlGuide> _controls = [];
    private readonly List<PictureGuide> _pictures = [];
    private readonly HiDiffusionPlan? _hiDiffusion;
    private readonly bool _batched;
    private readonly StripOptions? _strips;

    /// <param name="unet">The network.</param>
    /// <param name="plan">What is painted.</param>
    /// <param name="timeline">The texts; stays the caller's.</param>
    /// <param name="batched">Whether all texts of a step are run as one batch.</param>
    /// <param name="strips">How the network runs where it shall take little memory, one text and latent at a time; null for whole maps.</param>
    internal GuidedDenoiser(UNet2DConditionModel unet, StableDiffusionPlan plan, TextTimeline timeline, bool batched, StripOptions? strips = null)
    {
        (_unet, _plan, _timeline, _batched, _strips) = (unet, plan, timeline, batched && strips is null, strips);
        _hiDiffusion = plan.HiDiffusion;
        _prepared = new PreparedTexts(unet.Prepare, unet.Config.GuidanceEmbeddingWidth is null ? null : plan.Guidance) { Extend = AddPictures };
        try
        {
            foreach (ControlInput control in plan.Request.Controls) _controls.Add(new ControlGuide(control, plan, plan.Device));
            foreach (PicturePrompt prompt in plan.Request.PicturePrompts) _pictures.Add(new PictureGuide(prompt));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The denoiser of one batch.</summary>
    /// <param name="channels">What the network sees beside the latents, or null. Shape: <c>[B, C, h, w]</c>.</param>
    /// <param name="shifts">Where HiDiffusion's windows begin.</param>
    internal LatentDenoiser For(Tensor? channels, IWindowShifts shifts) =>
        (input, call) => Predict(new CallInputs(input, channels, Counted(call), _hiDiffusion?.At(call.Index, shifts)));

    public void Dispose()
    {
        _prepared.Dispose();
        foreach (ControlGuide control in _controls) control.Dispose();
        foreach (PictureGuide picture in _pictures) picture.Dispose();
    }

    // Prompts and ranges count the calls of a base model and its refiner as one run.
    private DenoiserCall Counted(DenoiserCall call) => call with { Index = _plan.EarlierCalls + call.Index, Count = _plan.RunCalls };

    private void AddPictures(PreparedPrompt prompt, IReadOnlyList<GuidingText> group, int copies)
    {
        foreach (PictureGuide picture in _pictures) picture.AddTo(prompt, group, copies);
    }

    // All texts of a call see windows with the same shifts, batched or not.
    private Tensor Predict(CallInputs inputs)
    {
        using DisposeScope scope = NewDisposeScope();
        DenoiserCall call = inputs.Call;
        GuidingTexts texts = _timeline.At(call.Index);
        _prepared.Use(texts);
        // Below 1 there is no guidance, and several or weighted prompts count as they do at 1.
        double scale = CallRange.Holds(call, _plan.Request.GuidanceStart, _plan.Request.GuidanceStop) ? Math.Max(_plan.ClassifierFreeScale, 1) : 1;
        bool guided = texts.HasNegative && (scale > 1 || texts.Positives is not [{ Weight: 1 }]);
        if (!guided) return Run(texts, texts.Positives, inputs).MoveToOuterDisposeScope();
        Tensor[] predictions = _batched
            ? Run(texts, texts.All, inputs).chunk(texts.All.Count)
            : [.. texts.Each.Select(text => Run(texts, text, inputs))];
        var positives = predictions.Skip(1).Zip(texts.Positives, (prediction, text) => (prediction, text.Weight)).ToArray();
        return Guidance.Combine(predictions[0], positives, scale, scale > 1 ? _plan.Request.GuidanceRescale : 0).MoveToOuterDisposeScope();
    }

    // The latents once for each text.
    private Tensor Run(GuidingTexts texts, IReadOnlyList<GuidingText> group, CallInputs inputs)
    {
        (Tensor input, Tensor? channels, DenoiserCall call, HiDiffusionStep? step) = inputs;
        using DisposeScope scope = NewDisposeScope();
        Tensor timestep = tensor((float)call.Timestep, device: input.device);
        Tensor latents = Repeated(input, group.Count);
        ControlResiduals? residuals = ControlGuide.Sum(_controls, texts, group, latents, timestep, call);
        Tensor sample = channels is null ? latents : cat([latents, Repeated(channels, group.Count)], 1);
        return (_strips is { } strips
            ? _unet.ForwardInStrips(sample, timestep, _prepared.Of(group, 1), strips)
            : _unet.Run(sample, timestep, _prepared.Of(group, (int)input.shape[0]), residuals, step: step)).MoveToOuterDisposeScope();
    }

    private static Tensor Repeated(Tensor tensor, int times) => times == 1 ? tensor : cat([.. Enumerable.Repeat(tensor, times)]);

    private sealed record CallInputs(Tensor Input, Tensor? Channels, DenoiserCall Call, HiDiffusionStep? Step);
}
