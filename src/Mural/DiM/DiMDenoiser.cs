using Mural.Samplers;
using static TorchSharp.torch;

namespace Mural.DiM;

/// <summary>A <see cref="DiMModel"/> as samplers see it.</summary>
public static class DiMDenoiser
{
    /// <summary>The model as a network that is told what to paint, on a grid of any size.</summary>
    /// <param name="model">The model.</param>
    /// <param name="schedule">The forward process that it was trained with, which gives the network's time.</param>
    /// <param name="options">What its runs do differently, or null.</param>
    public static ConditionalDenoiser Create(DiMModel model, NoiseSchedule schedule, DiMForwardOptions? options = null) => Create(model, schedule, _ => options);

    /// <summary>
    /// The model for <see cref="UpsampleGuidance"/>, at the large and at the small size: both read one position table, resized to the large grid; for the
    /// small picture it is resized again, down from there (DiM specification 6.1).
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="schedule">The forward process that it was trained with.</param>
    /// <param name="large">The large grid of tokens.</param>
    /// <param name="skips">How the long skips are scaled, or null for not at all.</param>
    public static ConditionalDenoiser CreateForUpsampling(DiMModel model, NoiseSchedule schedule, TokenGrid large, SkipTuningOptions? skips) =>
        Create(model, schedule, time => new DiMForwardOptions { PositionsThrough = large, SkipFactors = skips?.FactorsAt(time, model.Config.DecoderBlocks) });

    private static ConditionalDenoiser Create(DiMModel model, NoiseSchedule schedule, Func<double, DiMForwardOptions?> optionsAt) => (x, time, condition) =>
    {
        using var scope = NewDisposeScope();
        Tensor networkTime = tensor((float)schedule.NetworkTime(time), device: x.device);
        return model.Forward(x, networkTime, condition, optionsAt(time)).MoveToOuterDisposeScope();
    };
}
