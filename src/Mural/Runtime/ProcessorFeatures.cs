using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Text;

namespace Mural.Runtime;

/// <summary>What the processor can do that decides between kernels and number formats.</summary>
internal sealed record ProcessorFeatures
{
    /// <summary>The processor that this process runs on.</summary>
    internal static ProcessorFeatures Current { get; } = X86Base.IsSupported ? ReadX86() : ReadOther();

    /// <summary>The maker's name of the processor.</summary>
    public string Name { get; init; } = "";

    /// <summary>256-bit vectors of integers and floats.</summary>
    public bool Avx2 { get; init; }

    /// <summary>512-bit vectors, enabled by the operating system.</summary>
    public bool Avx512 { get; init; }

    /// <summary>Products of bf16 pairs in 512-bit vectors.</summary>
    public bool Avx512BFloat16 { get; init; }

    /// <summary>Tile products of bf16.</summary>
    public bool AmxBFloat16 { get; init; }

    /// <summary>128-bit vectors of ARM.</summary>
    public bool AdvSimd { get; init; }

    /// <summary>Whether oneDNN's bf16 products run on instructions made for them, so that bf16 is faster than f32.</summary>
    public bool MultipliesBFloat16 => Avx512BFloat16 || AmxBFloat16;

    /// <summary>The features that are there, by their usual names.</summary>
    public IEnumerable<string> Names
    {
        get
        {
            if (Avx2) yield return "AVX2";
            if (Avx512) yield return "AVX-512";
            if (Avx512BFloat16) yield return "AVX512-BF16";
            if (AmxBFloat16) yield return "AMX-BF16";
            if (AdvSimd) yield return "AdvSIMD";
        }
    }

    private static ProcessorFeatures ReadX86()
    {
        int highest = X86Base.CpuId(0, 0).Eax;
        int tileBits = 0, extendedBits = 0;
        if (highest >= 7)
        {
            (int subleaves, _, _, tileBits) = X86Base.CpuId(7, 0);
            if (subleaves >= 1) extendedBits = X86Base.CpuId(7, 1).Eax;
        }

        // .NET reports vectors only where the operating system saves their registers; the bf16 instructions use the same ones.
        bool avx512 = Avx512F.IsSupported && Avx512BW.IsSupported && Avx512F.VL.IsSupported;
        const int amxBFloat16 = 1 << 22, amxTile = 1 << 24, avx512BFloat16 = 1 << 5;
        return new ProcessorFeatures
        {
            Name = ReadX86Name(),
            Avx2 = System.Runtime.Intrinsics.X86.Avx2.IsSupported,
            Avx512 = avx512,
            Avx512BFloat16 = avx512 && (extendedBits & avx512BFloat16) != 0,
            AmxBFloat16 = avx512 && (tileBits & amxBFloat16) != 0 && (tileBits & amxTile) != 0 && SystemAllowsTiles(),
        };
    }

    // Tiles need room that the kernel must be new enough to save; Linux lists the feature only then.
    private static bool SystemAllowsTiles() => !OperatingSystem.IsLinux() || ProcFile.Value("/proc/cpuinfo", "flags").Contains("amx_bf16", StringComparison.Ordinal);

    private static string ReadX86Name()
    {
        const int first = unchecked((int)0x80000002), last = unchecked((int)0x80000004);
        if ((uint)X86Base.CpuId(unchecked((int)0x80000000), 0).Eax < unchecked((uint)last)) return "x86";
        var name = new byte[48];
        for (int leaf = first; leaf <= last; leaf++)
        {
            (int a, int b, int c, int d) = X86Base.CpuId(leaf, 0);
            MemoryMarshal.AsBytes<int>([a, b, c, d]).CopyTo(name.AsSpan((leaf - first) * 16));
        }
        return Encoding.ASCII.GetString(name).TrimEnd('\0').Trim();
    }

    private static ProcessorFeatures ReadOther()
    {
        string name = OperatingSystem.IsLinux() ? ProcFile.Value("/proc/cpuinfo", "model name") : "";
        return new ProcessorFeatures
        {
            Name = name.Length > 0 ? name : RuntimeInformation.ProcessArchitecture.ToString(),
            AdvSimd = System.Runtime.Intrinsics.Arm.AdvSimd.IsSupported,
        };
    }
}
