namespace Mural.Imaging;

/// <summary>Decides which embedded colour profiles change anything.</summary>
internal static class IccProfiles
{
    /// <summary>
    /// Whether a profile is sRGB by its own description. Converting from sRGB to sRGB would move samples by one step for nothing.
    /// </summary>
    internal static bool IsSrgb(ReadOnlySpan<byte> profile) =>
        profile.IndexOf("sRGB"u8) >= 0 || profile.IndexOf("s\0R\0G\0B"u8) >= 0;
}
