using System.Buffers.Binary;
using static TorchSharp.torch;

namespace Mural.Runtime;

/// <summary>
/// The noise that PyTorch draws on an NVIDIA card (<c>--rng cuda</c>), computed anywhere: Philox4x32-10 with one counter a GPU thread (spec 9.5).
/// Normals are evaluated in double and rounded, a card evaluates them in float: they agree to about 1e-6.
/// </summary>
public sealed class PhiloxRandom : RandomSource
{
    private const int NormalsPerBlock = 4;
    private const double WordStep = 1.0 / (1L << 32);

    // Rounded to float32, as the card has it.
    private const double AngleStep = (float)(2 * Math.PI / (1L << 32));

    private readonly long _gridThreads;
    private ulong _offset;

    /// <summary>Starts from a seed.</summary>
    /// <param name="seed">Seed; all 64 bits count.</param>
    /// <param name="gridThreads">
    /// Most threads that the card to imitate runs at once: its multiprocessors times the threads of each, rounded down to 256s. It matters only for tensors
    /// with more elements, whose noise differs between models of cards; where none is given every element has a thread of its own.
    /// </param>
    public PhiloxRandom(long seed, long? gridThreads = null) : base(seed)
    {
        if (gridThreads is { } threads) ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1, nameof(gridThreads));
        _gridThreads = gridThreads ?? uint.MaxValue;
    }

    /// <inheritdoc/>
    public override Tensor Normal(long[] shape, ScalarType type = ScalarType.Float32, Device? device = null)
    {
        using var scope = NewDisposeScope();
        long count = shape.Aggregate(1L, (product, size) => product * size);
        if (count > int.MaxValue)
            throw new MuralException($"{count} random numbers were asked for at once, but at most {int.MaxValue} can be drawn: use a smaller picture or batch.");
        float[] values = new float[count];
        if (count <= _gridThreads) FillFirst(values);
        else FillGrid(values);
        return Deliver(tensor(values).reshape(shape), type, device);
    }

    /// <inheritdoc/>
    public override byte[] SaveState()
    {
        byte[] state = new byte[sizeof(long) + sizeof(ulong)];
        BinaryPrimitives.WriteInt64LittleEndian(state, Seed);
        BinaryPrimitives.WriteUInt64LittleEndian(state.AsSpan(sizeof(long)), _offset);
        return state;
    }

    /// <inheritdoc/>
    public override void RestoreState(ReadOnlySpan<byte> state)
    {
        if (state.Length != sizeof(long) + sizeof(ulong) || BinaryPrimitives.ReadInt64LittleEndian(state) != Seed)
            throw new MuralException($"The saved state of the random generator does not belong to seed {Seed}: resume with the seed that the run was started with.");
        _offset = BinaryPrimitives.ReadUInt64LittleEndian(state[sizeof(long)..]);
    }

    /// <summary>As many elements as threads at most: each takes the first normal of its thread.</summary>
    private void FillFirst(float[] values)
    {
        for (int thread = 0; thread < values.Length; thread++)
        {
            (uint w0, uint w1, _, _) = Block((uint)thread);
            values[thread] = (float)Normals(w0, w1).First;
        }
        _offset++;
    }

    /// <summary>More elements than threads: in each round a thread gives its four normals to four elements that lie a grid apart.</summary>
    private void FillGrid(float[] values)
    {
        for (long round = 0; round < values.Length; round += _gridThreads * NormalsPerBlock)
        {
            for (long thread = 0; thread < _gridThreads && round + thread < values.Length; thread++)
            {
                (uint w0, uint w1, uint w2, uint w3) = Block((uint)thread);
                (double first, double second) = Normals(w0, w1);
                (double third, double fourth) = Normals(w2, w3);
                long at = round + thread;
                foreach (double value in (ReadOnlySpan<double>)[first, second, third, fourth])
                {
                    if (at < values.Length) values[at] = (float)value;
                    at += _gridThreads;
                }
            }
            _offset++;
        }
    }

    private (uint, uint, uint, uint) Block(uint thread) =>
        Philox.Block(((uint)_offset, (uint)(_offset >> 32), thread, 0), ((uint)Seed, (uint)(Seed >> 32)));

    // Box and Muller: two words become two normals. Half a step keeps the logarithm finite.
    private static (double First, double Second) Normals(uint radiusWord, uint angleWord)
    {
        double radius = Math.Sqrt(-2 * Math.Log(radiusWord * WordStep + WordStep / 2)), angle = angleWord * AngleStep + AngleStep / 2;
        return (radius * Math.Sin(angle), radius * Math.Cos(angle));
    }
}
