using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Mural.Runtime;

/// <summary>
/// Makes libtorch loadable before TorchSharp first asks for it, and sets up what native code reads only at its own start.
/// Runs by itself when the assembly is first used; a program that touches TorchSharp before any type of Mural calls <see cref="Prepare"/>.
/// </summary>
public static class NativeLibraries
{
    private const string Bridge = "libLibTorchSharp.so";
    private static readonly Lock Gate = new();
    private static bool _prepared;

    /// <summary>Prepares the native libraries once per process. Safe to call from several threads.</summary>
    /// <exception cref="MuralException">The libraries cannot be loaded; the message says what to install.</exception>
    public static void Prepare()
    {
        lock (Gate)
        {
            if (_prepared) return;
            Allocator.SetUp();
            // Otherwise MKL's products differ in their last bits from run to run, by where memory happens to lie: a resumed training would not continue bit for bit.
            NativeEnvironment.SetDefault("MKL_CBWR", "AUTO,STRICT");
            if (OperatingSystem.IsLinux()) LoadOnLinux(AppContext.BaseDirectory);
            _prepared = true;
        }
    }

#pragma warning disable CA2255 // TorchSharp must find prepared libraries whichever type of Mural is touched first.
    [ModuleInitializer]
    internal static void Initialize()
    {
        try
        {
            Prepare();
        }
        catch (MuralException)
        {
            // A module initializer must not throw: the first explicit use reports the same problem as one sentence.
        }
    }
#pragma warning restore CA2255

    private static void LoadOnLinux(string baseDirectory)
    {
        string? folder = FindFolder(baseDirectory);
        if (folder is null) return; // Nothing of ours to prepare: TorchSharp looks where it knows.

        foreach (string name in (string[])["libc10.so", "libtorch_cpu.so", "libtorch.so"])
        {
            string path = Path.Combine(folder, name);
            if (File.Exists(path) && !TryLoad(path, out string error))
                throw new MuralException($"{path} cannot be loaded: {error}");
        }

        string bridge = Path.Combine(folder, Bridge);
        if (!File.Exists(bridge) || TryLoad(bridge, out string bridgeError)) return;
        if (!bridgeError.Contains(ElfVersionNeeds.MarkerVersion, StringComparison.Ordinal))
            throw new MuralException($"{bridge} cannot be loaded: {bridgeError}");

        string relaxed = RelaxedCopy(bridge);
        if (!TryLoad(relaxed, out string relaxedError))
            throw new MuralException($"{relaxed} cannot be loaded: {relaxedError}. {InstallAdvice}");
    }

    private const string InstallAdvice =
        "This system's libstdc++ is older than GCC 13: install a newer one (Debian and Ubuntu: package libstdc++6; Fedora and RHEL: package libstdc++).";

    /// <summary>
    /// Writes a copy of TorchSharp's native library that also loads with the libstdc++ of GCC 12 and keeps it in a per-user cache under the original's hash.
    /// </summary>
    private static string RelaxedCopy(string bridge)
    {
        byte[] file = File.ReadAllBytes(bridge);
        string key = Convert.ToHexStringLower(SHA256.HashData(file))[..16];
        if (!ElfVersionNeeds.TryMakeMarkerWeak(file))
            throw new MuralException($"{bridge} needs {ElfVersionNeeds.MarkerVersion} for more than a marker. {InstallAdvice}");

        Exception? last = null;
        foreach (string root in (string[])[CacheRoot(), Path.Combine(Path.GetTempPath(), $"mural-{Environment.UserName}")])
        {
            try
            {
                string folder = Directory.CreateDirectory(Path.Combine(root, "native", key)).FullName;
                string target = Path.Combine(folder, Bridge);
                if (File.Exists(target) && new FileInfo(target).Length == file.Length && File.ReadAllBytes(target).AsSpan().SequenceEqual(file)) return target;
                string beside = Path.Combine(folder, $"{Bridge}.{Environment.ProcessId}.{Guid.NewGuid():N}");
                File.WriteAllBytes(beside, file);
                File.Move(beside, target, overwrite: true);
                return target;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                last = exception;
            }
        }
        throw new MuralException($"No folder can be written for a prepared copy of {Bridge} ({last?.Message}). {InstallAdvice}", last);
    }

    private static string CacheRoot()
    {
        string? configured = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        string root = !string.IsNullOrEmpty(configured) ? configured : home.Length > 0 ? Path.Combine(home, ".cache") : Path.GetTempPath();
        return Path.Combine(root, "mural");
    }

    private static string? FindFolder(string baseDirectory)
    {
        string nested = Path.Combine(baseDirectory, "runtimes", $"linux-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}", "native");
        foreach (string folder in (string[])[baseDirectory, nested])
            if (File.Exists(Path.Combine(folder, Bridge))) return folder;
        return null;
    }

    private static bool TryLoad(string path, out string error)
    {
        try
        {
            NativeLibrary.Load(path);
            error = "";
            return true;
        }
        catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException)
        {
            error = exception.Message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).FirstOrDefault(
                line => line.Contains("GLIBCXX", StringComparison.Ordinal) || line.Contains("No such file", StringComparison.Ordinal)) ?? exception.Message;
            return false;
        }
    }
}
