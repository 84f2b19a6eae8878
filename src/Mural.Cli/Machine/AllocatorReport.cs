using Mural.Runtime;

namespace Mural.Cli.Machine;

/// <summary>How the C library's allocator is set up.</summary>
/// <param name="Tuned">Whether this process runs with Mural's settings.</param>
/// <param name="HugePages">The mode of transparent huge pages, where there are any.</param>
/// <param name="Description">Both in words.</param>
/// <param name="Advice">What a person could do to make large tensors cheaper.</param>
internal sealed record AllocatorReport(bool Tuned, string? HugePages, string Description, string? Advice)
{
    internal static AllocatorReport Create()
    {
        string? mode = Runtime.HugePages.Mode;
        string description = Allocator.Tuned
            ? $"tuned: freed memory is kept for the next tensor, but for the largest, huge pages are {mode ?? "not there"}"
            : OperatingSystem.IsLinux() ? $"the C library's default ({Allocator.Variable}=default, or not glibc)" : "the system's own";
        return new AllocatorReport(Allocator.Tuned, mode, description, Allocator.Tuned ? Runtime.HugePages.Advice : null);
    }
}
