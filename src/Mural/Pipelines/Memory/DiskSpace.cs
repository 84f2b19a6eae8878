using System.Globalization;

namespace Mural.Pipelines;

/// <summary>Whether a disk has room for what a run puts there meanwhile.</summary>
internal static class DiskSpace
{
    /// <exception cref="MuralException">It has not.</exception>
    internal static void Require(double bytes, string folder)
    {
        if (Shortage(bytes, folder) is { } sentence) throw new MuralException(sentence);
    }

    /// <summary>A sentence where it has not; null where it has, or where nobody can tell.</summary>
    internal static string? Shortage(double bytes, string folder) => Shortage(bytes, folder, Free(folder));

    /// <summary>The same for a known number of free bytes.</summary>
    internal static string? Shortage(double bytes, string folder, long? free) => free is not { } room || bytes <= room ? null : string.Create(
        CultureInfo.InvariantCulture, $"{bytes / 1e9:0.0} GB of the disk would be needed, but {folder} has room for {room / 1e9:0.0} GB; free some space or choose another place.");

    /// <summary>Free bytes where a folder is, or would be created; null where nobody can tell.</summary>
    internal static long? Free(string folder)
    {
        try
        {
            string? there = Path.GetFullPath(folder);
            while (there is not null && !Directory.Exists(there)) there = Path.GetDirectoryName(there);
            return there is null ? null : new DriveInfo(there).AvailableFreeSpace;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }
}
