using Mural.HiDiffusion;
using Mural.Pipelines;
using Mural.Tests.Goldens;
using Mural.Tests.HiDiffusion;

namespace Mural.Tests.Pipelines;

/// <summary>The random numbers that a case was made with, in the order in which they were drawn.</summary>
internal sealed class RecordedNoise(GoldenCase golden) : INoise
{
    private int _next = golden.Has("in.latents") ? -1 : 0;

    /// <summary>Whether every number was used.</summary>
    internal bool IsUsedUp => !golden.Has(Name);

    private string Name => _next < 0 ? "in.latents" : $"in.noise.{_next}";

    public IWindowShifts Shifts { get; } = new HiDiffusionGoldens.Recorded([]);

    public Tensor Draw(long[] shape)
    {
        Assert.True(golden.Has(Name), $"{golden.Name} brings no {Name}");
        using Tensor drawn = golden.Get(Name);
        _next++;
        // One picture's latent serves the whole batch in the library, which draws for it once.
        return drawn.expand(shape).clone();
    }
}
