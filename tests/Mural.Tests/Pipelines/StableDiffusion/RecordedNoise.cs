using Mural.HiDiffusion;
using Mural.Pipelines;
using Mural.Tests.Goldens;
using Mural.Tests.HiDiffusion;

namespace Mural.Tests.Pipelines;

/// <summary>The random numbers that a case was made with, in the order in which they were drawn.</summary>
/// <param name="golden">The case.</param>
/// <param name="row">The picture of the batch that is painted alone, or null for all.</param>
internal sealed class RecordedNoise(GoldenCase golden, int? row = null) : INoise
{
    // What a run from noise starts with has a name of its own.
    private static readonly string[] Starts = ["in.latents", "in.noise"];

    private int _next = Starts.Any(golden.Has) ? -1 : 0;

    /// <summary>Whether every number was used.</summary>
    internal bool IsUsedUp => Name is null;

    private string? Name => (_next < 0 ? Starts : [$"in.noise.{_next}", $"in.draw{_next}"]).FirstOrDefault(golden.Has);

    public IWindowShifts Shifts { get; } = new HiDiffusionGoldens.Recorded([]);

    public Tensor Draw(long[] shape)
    {
        string name = Name ?? throw new InvalidOperationException($"{golden.Name} brings no draw {_next}");
        _next++;
        using Tensor drawn = golden.Get(name), own = row is { } one ? drawn.narrow(0, one % drawn.shape[0], 1) : drawn.alias();
        // One picture's latent serves the whole batch in the library, which draws for it once.
        return own.expand(shape).clone();
    }
}
