using System.Runtime.InteropServices;

namespace Mural.Runtime;

/// <summary>
/// Sets the C library's allocator up for tensors. glibc gives every block from 128 KiB on fresh pages and returns them at once, and the kernel
/// clears them again each time: layers then run several times slower than they need to. So they are kept for the next
/// tensor, but for the largest, which would leave holes that the next one does not fit: kept as well, a step of Stable
/// Diffusion at 2048x2048 held twice its maps. Only glibc on Linux is concerned; elsewhere nothing happens.
/// </summary>
internal static partial class Allocator
{
    /// <summary>Environment variable that, set to <c>default</c>, leaves the allocator as PyTorch would find it.</summary>
    internal const string Variable = "MURAL_ALLOCATOR";

    private const int TrimThreshold = -1, TopPad = -2, MapThreshold = -3, ArenaMaximum = -8;

    // Blocks of so many bytes go back when they are freed: by then what is computed in them takes far longer than clearing.
    // It is also the most that every version of glibc takes.
    private const int LargeBlock = 32 << 20;

    /// <summary>Whether this process runs with the tuned allocator.</summary>
    internal static bool Tuned { get; private set; }

    /// <summary>Must run before the first native library of libtorch loads: it reads its environment only then.</summary>
    internal static void SetUp()
    {
        if (!OperatingSystem.IsLinux() || Environment.GetEnvironmentVariable(Variable) == "default") return;
        try
        {
            NativeEnvironment.SetDefault("THP_MEM_ALLOC_ENABLE", "1");
            // Threads that spin while they wait take the processor from those they wait for: on a busy machine that costs a factor, on a quiet one a few per cent.
            NativeEnvironment.SetDefault("OMP_WAIT_POLICY", "passive");
            bool done = Configure(MapThreshold, LargeBlock) == 1;
            done &= Configure(TrimThreshold, int.MaxValue) == 1;
            done &= Configure(TopPad, 256 << 20) == 1;
            done &= Configure(ArenaMaximum, 1) == 1;
            Tuned = done;
        }
        catch (EntryPointNotFoundException)
        {
            // Another C library (musl): its allocator has no such settings.
        }
        catch (DllNotFoundException)
        {
        }
    }

    /// <summary>Gives free memory back to the system, for example between the stages of a run.</summary>
    internal static void Trim()
    {
        if (Tuned) _ = TrimHeap(0);
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int Configure(int parameter, int value);

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int TrimHeap(nuint pad);
}
