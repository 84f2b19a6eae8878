using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Mural.Tests.Checkpoints;

/// <summary>Files with holes, which are large without taking space.</summary>
internal static partial class SparseFile
{
    private const uint SetSparse = 0x900C4;

    /// <summary>Holes are a matter of course on Unix; Windows wants to be told.</summary>
    internal static void Mark(FileStream file)
    {
        if (OperatingSystem.IsWindows()) DeviceIoControl(file.SafeFileHandle, SetSparse, 0, 0, 0, 0, out _, 0);
    }

    [LibraryImport("kernel32.dll")]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool DeviceIoControl(SafeFileHandle device, uint code, nint input, uint inputBytes, nint output, uint outputBytes, out uint returned, nint overlapped);
}
