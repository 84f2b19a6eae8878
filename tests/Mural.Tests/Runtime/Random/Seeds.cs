using System.Globalization;

namespace Mural.Tests.Runtime.Random;

internal static class Seeds
{
    /// <summary>A seed as PyTorch takes it: 64 bits, written signed or unsigned.</summary>
    internal static long Read(string text) =>
        text.StartsWith('-') ? long.Parse(text, CultureInfo.InvariantCulture) : unchecked((long)ulong.Parse(text, CultureInfo.InvariantCulture));
}
