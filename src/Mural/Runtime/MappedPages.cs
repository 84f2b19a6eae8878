using System.Runtime.InteropServices;

namespace Mural.Runtime;

/// <summary>Pages of files that are mapped into memory. Those that were read count as this process's memory until it lets them go.</summary>
internal static partial class MappedPages
{
    // MADV_DONTNEED of Linux.
    private const int NotNeeded = 4;

    /// <summary>Lets read-only pages go; the system may keep them, and reading them again is allowed. Nothing happens outside Linux.</summary>
    /// <param name="start">The first byte.</param>
    /// <param name="length">How many bytes; the pages at both ends go whole.</param>
    internal static unsafe void Release(byte* start, long length)
    {
        if (!OperatingSystem.IsLinux() || length <= 0) return;
        nuint page = (nuint)Environment.SystemPageSize, first = (nuint)start & ~(page - 1), end = ((nuint)start + (nuint)length + page - 1) & ~(page - 1);
        // A refusal costs memory and nothing else.
        _ = Advise(first, end - first, NotNeeded);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nuint start, nuint length, int advice);
}
