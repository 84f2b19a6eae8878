using Mural.HiDiffusion;
using Mural.Pipelines;
using Mural.Tests.Goldens;

namespace Mural.Tests.Pipelines;

/// <summary>The random numbers of one prompt of a case, <c>in.draw0</c> and on, in the order in which they were drawn.</summary>
/// <param name="golden">The case.</param>
/// <param name="prompt">Which of its prompts; what was drawn for all of them at once is shared.</param>
/// <param name="next">The first draw.</param>
internal sealed class RecordedDraws(GoldenCase golden, int prompt, int next = 0) : INoise
{
    private int _next = next;

    /// <summary>The draw that comes next.</summary>
    internal int Next => _next;

    public IWindowShifts Shifts { get; } = new WindowShifts([]);

    public Tensor Draw(long[] shape)
    {
        Tensor drawn = golden.Get($"in.draw{_next++}"), own = drawn.shape[0] == 1 ? drawn : drawn.narrow(0, prompt, 1);
        Assert.Equal(own.shape, shape);
        return own.clone();
    }
}
