using System.Runtime.InteropServices;

namespace Mural.Tests.Imaging;

/// <summary>While it lives no file of this process grows beyond a size: what a full disk does, in the middle of a file. Linux only.</summary>
internal sealed partial class FileSizeLimit : IDisposable
{
    private const int FileSize = 1, ExceededSignal = 25;
    private const nint Ignore = 1;
    private readonly nint _handler;
    private readonly Limit _before;

    internal FileSizeLimit(ulong bytes)
    {
        // The signal that comes with the error would end the process.
        _handler = Handle(ExceededSignal, Ignore);
        Assert.Equal(0, Get(FileSize, out _before));
        Assert.Equal(0, Set(FileSize, _before with { Current = bytes }));
    }

    public void Dispose()
    {
        Assert.Equal(0, Set(FileSize, _before));
        Handle(ExceededSignal, _handler);
    }

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint Handle(int signal, nint handler);

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int Get(int resource, out Limit limit);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int Set(int resource, in Limit limit);

    [StructLayout(LayoutKind.Sequential)]
    private record struct Limit(ulong Current, ulong Maximum);
}
