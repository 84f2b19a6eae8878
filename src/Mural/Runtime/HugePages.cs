namespace Mural.Runtime;

/// <summary>Linux's transparent huge pages, which the tuned allocator asks for.</summary>
internal static class HugePages
{
    /// <summary>The system's mode: <c>always</c>, <c>madvise</c> or <c>never</c>; null where there is none.</summary>
    internal static string? Mode { get; } =
        OperatingSystem.IsLinux() ? ParseMode(ProcFile.Text("/sys/kernel/mm/transparent_hugepage/enabled")) : null;

    /// <summary>What a person could do about the mode; null where nothing is wrong.</summary>
    internal static string? Advice => Mode == "never"
        ? "Transparent huge pages are off, so large tensors cost more page faults: as root, echo madvise > /sys/kernel/mm/transparent_hugepage/enabled."
        : null;

    // The kernel lists every mode and marks the current one: "always [madvise] never".
    internal static string? ParseMode(string text)
    {
        int open = text.IndexOf('[', StringComparison.Ordinal), close = text.IndexOf(']', StringComparison.Ordinal);
        return open >= 0 && close > open ? text[(open + 1)..close] : null;
    }
}
