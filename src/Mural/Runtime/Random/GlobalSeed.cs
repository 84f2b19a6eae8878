using static TorchSharp.torch;

namespace Mural.Runtime;

/// <summary>
/// Seeds libtorch's own random stream, which its initialisers draw from, until disposed: then the stream goes on as if nothing had been drawn. What other threads draw meanwhile is
/// theirs to expect.
/// </summary>
internal sealed class GlobalSeed : IDisposable
{
    private readonly Tensor _before;

    internal GlobalSeed(long seed)
    {
        _before = get_rng_state().DetachFromDisposeScope();
        manual_seed(seed);
    }

    public void Dispose()
    {
        set_rng_state(_before);
        _before.Dispose();
    }
}
