namespace Mural.Runtime;

/// <summary>Memory of the machine and of this process, in bytes.</summary>
/// <param name="Total">What this process may use at most: the machine's memory, or a container's limit.</param>
/// <param name="Available">What is free or can be freed without swapping; null where the system does not say.</param>
/// <param name="Resident">What this process holds now.</param>
/// <param name="Peak">The most that this process has held.</param>
internal sealed record SystemMemory(long Total, long? Available, long Resident, long Peak)
{
    /// <summary>Makes <see cref="Peak"/> count from now on; false where the system cannot.</summary>
    internal static bool ResetPeak()
    {
        if (!OperatingSystem.IsLinux()) return false;
        try
        {
            // Number 5 of proc(5): the peak becomes what is resident now.
            File.WriteAllText("/proc/self/clear_refs", "5");
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Reads the current values.</summary>
    internal static SystemMemory Read()
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        long total = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        long? available = OperatingSystem.IsLinux() ? ProcFile.Kilobytes("/proc/meminfo", "MemAvailable") : null;
        long peak = OperatingSystem.IsLinux()
            ? ProcFile.Kilobytes("/proc/self/status", "VmHWM") ?? process.PeakWorkingSet64
            : process.PeakWorkingSet64;
        return new SystemMemory(total, available is { } bytes ? Math.Min(bytes, total) : null, process.WorkingSet64, peak);
    }
}
