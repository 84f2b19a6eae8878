using static TorchSharp.torch;

namespace Mural.Runtime;

/// <summary>Where the noise of a run comes from. Two sources of one kind, seed and state give the same numbers on every machine.</summary>
public abstract class RandomSource : IDisposable
{
    private protected RandomSource(long seed) => Seed = seed;

    /// <summary>The seed that the source started from.</summary>
    public long Seed { get; }

    /// <summary>Draws standard normal numbers.</summary>
    /// <param name="shape">Shape wanted; filled in row-major order.</param>
    /// <param name="type">Floating type; float32 where none is given.</param>
    /// <param name="device">Where the tensor is wanted; the numbers are the same on every device.</param>
    public abstract Tensor Normal(long[] shape, ScalarType type = ScalarType.Float32, Device? device = null);

    /// <summary>Everything that decides about the numbers to come.</summary>
    public abstract byte[] SaveState();

    /// <summary>Goes on where <see cref="SaveState"/> was called, in this or another process.</summary>
    /// <exception cref="MuralException">The bytes are not a state of this kind of source.</exception>
    public abstract void RestoreState(ReadOnlySpan<byte> state);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what the source holds.</summary>
    protected virtual void Dispose(bool disposing) { }

    // Ends with the outer dispose scope, whether or not anything had to be moved.
    private protected static Tensor Deliver(Tensor drawn, ScalarType type, Device? device) =>
        drawn.to(type).to(device ?? CPU).MoveToOuterDisposeScope();
}
