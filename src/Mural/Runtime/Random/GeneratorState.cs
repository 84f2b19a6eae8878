using System.Buffers.Binary;
using static TorchSharp.torch;

namespace Mural.Runtime;

/// <summary>State of libtorch's CPU generator as bytes, so that a resumed run draws the numbers that the uninterrupted one would have drawn.</summary>
public static class GeneratorState
{
    // What libtorch writes: seed (8 bytes), words left (4), whether it is seeded (4), next word (8), 624 words of 8 bytes, then the kept normals.
    private const int LeftOffset = 8, SeededOffset = 12, NextOffset = 16, Words = 624;

    /// <summary>The generator's state.</summary>
    public static byte[] Save(Generator generator)
    {
        using Tensor state = generator.get_state();
        return state.bytes.ToArray();
    }

    /// <summary>Brings a generator into a saved state.</summary>
    /// <exception cref="MuralException">The bytes are not a state of libtorch's CPU generator.</exception>
    public static void Restore(Generator generator, ReadOnlySpan<byte> state)
    {
        using Tensor current = generator.get_state();
        if (state.Length != current.numel() || !IsValid(state))
            throw new MuralException(
                $"A saved state of the random generator has {current.numel()} bytes of a fixed form, but {state.Length} others were found: the file that holds it is damaged.");
        using Tensor wanted = empty([state.Length], uint8);
        state.CopyTo(wanted.bytes);
        generator.set_state(wanted);
    }

    // libtorch checks the same, but its complaint would end the process.
    private static bool IsValid(ReadOnlySpan<byte> state)
    {
        int left = BinaryPrimitives.ReadInt32LittleEndian(state[LeftOffset..]), seeded = BinaryPrimitives.ReadInt32LittleEndian(state[SeededOffset..]);
        ulong next = BinaryPrimitives.ReadUInt64LittleEndian(state[NextOffset..]);
        return seeded == 1 && left is > 0 and <= Words && next <= Words;
    }
}
