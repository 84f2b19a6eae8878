using Mural.Layers.Strips;

namespace Mural.Pipelines;

// Pictures beyond the size that the model was trained on.
public sealed partial class StableDiffusionPipeline
{
    /// <summary>What <see cref="GenerateLargeAsync"/> would do, without doing it.</summary>
    /// <exception cref="MuralException">The request cannot be fulfilled.</exception>
    public LargePicturePlan Plan(LargePictureRequest request) => new LargePicturePlanner(_planner, Model).Plan(request);

    /// <summary>Paints a large picture in stages, which are kept: a run that was ended goes on behind the last one that it finished, and the result is the same.</summary>
    /// <param name="request">What.</param>
    /// <param name="folder">A folder for the stages, which may hold some of an earlier run of the same request.</param>
    /// <param name="progress">Told once a stage's prompts are read, after every step and every finished stage.</param>
    /// <param name="cancellationToken">Stops within one network call.</param>
    /// <returns>The picture, to be disposed of.</returns>
    /// <exception cref="MuralException">The request cannot be fulfilled, the folder holds stages of another, or another run paints into it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The pipeline was disposed of.</exception>
    public async Task<LargePicture> GenerateLargeAsync(
        LargePictureRequest request, string folder, IProgress<LargePictureProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        LargePicturePlan plan = Plan(request);
        MemoryForecast forecast = Forecast(plan);
        DiskSpace.Require(StageFolder.Needed(plan, forecast, folder), folder);
        return await InTurn(
            () =>
            {
                var stages = new StageFolder(folder, LargePictureJob.Of(plan, _parts, _refiner, _options), plan);
                try
                {
                    StripOptions? strips = Prepare(forecast, folder, cancellationToken);
                    new LargePicturePainter(_parts, _refiner, plan, stages, BatchesGuidance, strips).Paint(progress is null ? null : progress.Report, cancellationToken);
                    return new LargePicture(stages, plan);
                }
                catch
                {
                    stages.Dispose();
                    throw;
                }
            },
            cancellationToken).ConfigureAwait(false);
    }
}
