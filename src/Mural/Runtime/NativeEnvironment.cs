using System.Runtime.InteropServices;

namespace Mural.Runtime;

/// <summary>
/// The environment that native libraries read when they load. .NET's own <see cref="Environment.SetEnvironmentVariable(string, string)"/> is invisible to them outside Windows.
/// </summary>
internal static partial class NativeEnvironment
{
    /// <summary>Sets a variable unless the person who started the process did.</summary>
    internal static void SetDefault(string name, string value)
    {
        if (OperatingSystem.IsWindows())
        {
            if (Environment.GetEnvironmentVariable(name) is null) Environment.SetEnvironmentVariable(name, value);
            return;
        }
        _ = SetEnvironment(name, value, 0);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
