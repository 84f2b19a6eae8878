using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Mural.Tests.Checkpoints;

/// <summary>Small damages of files, as a seeded random source draws them: what disks, downloads and attackers do.</summary>
internal sealed class Mutations(int seed)
{
    private static readonly byte[] TellingBytes =
        [0, 1, 0x7F, 0x80, 0xFE, 0xFF, (byte)'"', (byte)'{', (byte)'}', (byte)'[', (byte)']', (byte)',', (byte)'-', (byte)'9', (byte)'.', (byte)'\\'];
    private static readonly long[] TellingNumbers = [0, 1, -1, 7, 8, 255, 65535, int.MaxValue, uint.MaxValue, 1L << 32, 1L << 40, long.MaxValue, long.MinValue, long.MaxValue / 4];

    private readonly Random _random = new(seed);

    internal int Next(int below) => _random.Next(below);

    /// <summary>One to three damages to bytes.</summary>
    internal byte[] Damage(byte[] bytes, byte[] donor)
    {
        for (int left = _random.Next(3); left >= 0 && bytes.Length > 0; left--)
        {
            int at = _random.Next(bytes.Length), length = _random.Next(Math.Min(24, bytes.Length - at)) + 1;
            bytes = _random.Next(9) switch
            {
                0 => With(bytes, at, (byte)(bytes[at] ^ (1 << _random.Next(8)))),
                1 => With(bytes, at, TellingBytes[_random.Next(TellingBytes.Length)]),
                2 => With(bytes, at, (byte)_random.Next(256)),
                3 => [.. bytes.AsSpan(0, at), .. bytes.AsSpan(at + length)],
                4 => [.. bytes.AsSpan(0, at + length), .. bytes.AsSpan(at)],
                5 => _random.Next(8) == 0 ? bytes[..at] : Number(bytes, at),
                6 => Splice(bytes, at, donor),
                7 => Swap(bytes, at, _random.Next(bytes.Length)),
                _ => Number(bytes, at),
            };
        }
        return bytes;
    }

    /// <summary>One to four decimal numbers of a text replaced by others.</summary>
    internal string Renumber(string text)
    {
        for (int left = _random.Next(4); left >= 0; left--)
        {
            int at = _random.Next(text.Length), start = text.IndexOfAny("0123456789".ToCharArray(), at);
            if (start < 0) continue;
            int end = start;
            while (end < text.Length && char.IsAsciiDigit(text[end])) end++;
            long number = _random.Next(2) == 0 ? TellingNumbers[_random.Next(TellingNumbers.Length)] : _random.Next(100);
            text = string.Concat(text.AsSpan(0, start), number.ToString(CultureInfo.InvariantCulture), text.AsSpan(end));
        }
        return text;
    }

    /// <summary>A safetensors file of the header, whose length is right more often than not.</summary>
    internal byte[] Safetensors(byte[] header, int dataBytes)
    {
        byte[] file = new byte[8 + header.Length + dataBytes];
        long length = _random.Next(16) == 0 ? TellingNumbers[_random.Next(TellingNumbers.Length)] : header.Length;
        BinaryPrimitives.WriteInt64LittleEndian(file, length);
        header.CopyTo(file, 8);
        return file;
    }

    internal static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    private byte[] Number(byte[] bytes, int at)
    {
        byte[] changed = [.. bytes];
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(number, TellingNumbers[_random.Next(TellingNumbers.Length)]);
        int width = Math.Min(1 << _random.Next(4), bytes.Length - at);
        number[..width].CopyTo(changed.AsSpan(at));
        return changed;
    }

    private byte[] Splice(byte[] bytes, int at, byte[] donor)
    {
        int from = _random.Next(donor.Length), length = _random.Next(Math.Min(64, donor.Length - from)) + 1;
        return [.. bytes.AsSpan(0, at), .. donor.AsSpan(from, length), .. bytes.AsSpan(at)];
    }

    private static byte[] With(byte[] bytes, int at, byte value)
    {
        byte[] changed = [.. bytes];
        changed[at] = value;
        return changed;
    }

    private static byte[] Swap(byte[] bytes, int one, int other)
    {
        byte[] changed = [.. bytes];
        (changed[one], changed[other]) = (changed[other], changed[one]);
        return changed;
    }
}
