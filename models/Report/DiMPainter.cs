using Mural.Imaging;
using Mural.Pipelines;

namespace Mural.Report;

/// <summary>A DiM, which paints larger pictures by training-free upsampling.</summary>
internal sealed class DiMPainter(DiMPipeline pipeline, string identity) : IPainter
{
    public string Identity => identity;

    public bool TakesHiDiffusion => false;

    public async Task<Picture> PaintAsync(string caption, long seed, PaintSettings settings)
    {
        if (settings.HiDiffusion is not null) throw new MuralException("HiDiffusion is for Stable Diffusion, not for a DiM; leave --hidiffusion out.");
        var request = new DiMRequest { Prompt = caption, Seed = (ulong)seed, Upscale = settings.Factor, Steps = settings.Steps, Guidance = settings.Guidance };
        return (await pipeline.GenerateAsync(request))[0].Picture;
    }

    public ValueTask DisposeAsync() => pipeline.DisposeAsync();
}
