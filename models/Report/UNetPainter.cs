using Mural.Imaging;
using Mural.Pipelines;

namespace Mural.Report;

/// <summary>A text-to-image UNet, which paints larger pictures from larger noise.</summary>
internal sealed class UNetPainter(StableDiffusionPipeline pipeline, string identity) : IPainter
{
    public string Identity => identity;

    public bool TakesHiDiffusion => true;

    public async Task<Picture> PaintAsync(string caption, long seed, PaintSettings settings)
    {
        int side = pipeline.Model.Side * settings.Factor;
        var request = new StableDiffusionRequest
        {
            Prompt = caption,
            Seed = seed,
            Width = side,
            Height = side,
            HiDiffusion = settings.HiDiffusion,
            Steps = settings.Steps,
            Guidance = settings.Guidance,
        };
        return (await pipeline.GenerateAsync(request))[0].Picture;
    }

    public ValueTask DisposeAsync() => pipeline.DisposeAsync();
}
