using static TorchSharp.torch;

namespace Mural.Runtime;

/// <summary>
/// PyTorch's CPU generator: the numbers of <c>torch.Generator().manual_seed(seed)</c>, call by call, as PyTorch 2.14 draws them. The engine is libtorch's
/// own Mersenne Twister; only what libtorch 2.10 draws otherwise, half types, follows the later rule here.
/// </summary>
public sealed class SeededRandom : RandomSource
{
    // Normals are made of uniforms in blocks of this many; smaller requests go another way (spec 9.5).
    private const int Block = 16;

    /// <summary>Starts from a seed, of which the low 32 bits count.</summary>
    public SeededRandom(long seed) : base(seed) => Generator = new Generator(unchecked((ulong)seed));

    /// <summary>The generator itself, for functions of libtorch that take one.</summary>
    public Generator Generator { get; }

    /// <inheritdoc/>
    public override Tensor Normal(long[] shape, ScalarType type = ScalarType.Float32, Device? device = null)
    {
        using var scope = NewDisposeScope();
        long count = shape.Aggregate(1L, (product, size) => product * size);
        Tensor drawn = IsHalf(type) && count >= Block ? HalfNormal(count).reshape(shape) : randn(shape, type, generator: Generator);
        return Deliver(drawn, type, device);
    }

    /// <summary>Draws numbers that are equally likely everywhere from 0 to below 1.</summary>
    /// <param name="shape">Shape wanted; filled in row-major order.</param>
    /// <param name="type">Floating type; float32 where none is given.</param>
    /// <param name="device">Where the tensor is wanted.</param>
    public Tensor Uniform(long[] shape, ScalarType type = ScalarType.Float32, Device? device = null)
    {
        using var scope = NewDisposeScope();
        if (!IsHalf(type)) return Deliver(rand(shape, type, generator: Generator), type, device);
        Tensor rounded = rand(shape, float32, generator: Generator).to(type);
        // Rounding may reach 1, which does not belong to the range.
        return Deliver(rounded.masked_fill(rounded == 1, 0), type, device);
    }

    /// <summary>Draws whole numbers from <paramref name="low"/> to below <paramref name="high"/>.</summary>
    /// <param name="low">Smallest number.</param>
    /// <param name="high">First number above the range.</param>
    /// <param name="shape">Shape wanted; filled in row-major order.</param>
    /// <param name="device">Where the tensor is wanted.</param>
    /// <returns>64-bit integers.</returns>
    public Tensor Integers(long low, long high, long[] shape, Device? device = null)
    {
        using var scope = NewDisposeScope();
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(low, high);
        return Deliver(randint(low, high, shape, int64, generator: Generator), int64, device);
    }

    /// <summary>Draws an order of the numbers from 0 to below <paramref name="count"/>.</summary>
    /// <param name="count">How many.</param>
    /// <param name="device">Where the tensor is wanted.</param>
    /// <returns><c>[count]</c>, 64-bit integers.</returns>
    public Tensor Permutation(long count, Device? device = null)
    {
        using var scope = NewDisposeScope();
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        return Deliver(randperm(count, int64, generator: Generator), int64, device);
    }

    /// <inheritdoc/>
    public override byte[] SaveState() => GeneratorState.Save(Generator);

    /// <inheritdoc/>
    public override void RestoreState(ReadOnlySpan<byte> state) => GeneratorState.Restore(Generator, state);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) Generator.Dispose();
        base.Dispose(disposing);
    }

    private static bool IsHalf(ScalarType type) => type is ScalarType.Float16 or ScalarType.BFloat16;

    // float32 normals in whole blocks; a ragged end takes the last values of a block of its own, which overwrites part of the block before it.
    private Tensor HalfNormal(long count)
    {
        Tensor blocks = randn([count / Block * Block], float32, generator: Generator);
        if (count % Block == 0) return blocks;
        Tensor last = randn([Block], float32, generator: Generator);
        return cat([blocks[..(int)(count - Block)], last]);
    }
}
