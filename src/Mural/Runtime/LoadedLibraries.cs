using System.Runtime.InteropServices;

namespace Mural.Runtime;

/// <summary>Native libraries that this process has loaded already, by whatever way.</summary>
internal static class LoadedLibraries
{
    /// <summary>A handle of the first library whose file begins so, or null; Linux only.</summary>
    /// <param name="fileName">Such as <c>libtorch_cpu.so</c>.</param>
    internal static nint? Find(string fileName)
    {
        if (!OperatingSystem.IsLinux()) return null;
        string? path = File.ReadLines("/proc/self/maps").FirstOrDefault(line => line.Contains("/" + fileName, StringComparison.Ordinal));
        if (path is null || !NativeLibrary.TryLoad(path[path.IndexOf('/', StringComparison.Ordinal)..], out nint library)) return null;
        return library;
    }
}
