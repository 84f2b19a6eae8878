using TorchSharp;

namespace Mural.Pipelines;

/// <summary>Which modes a run can be in: its networks, and its autoencoder.</summary>
internal static class MemoryModes
{
    /// <summary>The modes to try for the networks, the fastest first.</summary>
    /// <param name="asked">The mode that was asked for, or null.</param>
    /// <param name="device">Where the networks run.</param>
    /// <param name="whole">Whether the run takes networks or windows of whole maps.</param>
    /// <exception cref="MuralException">The mode that was asked for cannot be.</exception>
    internal static IReadOnlyList<MemoryMode> Of(MemoryMode? asked, DeviceType device, bool whole)
    {
        if (whole && asked is not (null or MemoryMode.Whole))
            throw new MuralException("ControlNets and HiDiffusion run in the memory mode whole only; leave out --memory-mode, or the ControlNets and HiDiffusion.");
        // Maps in files are read and written by the processor.
        if (asked == MemoryMode.Disk && device != DeviceType.CPU)
            throw new MuralException($"Maps are kept on the disk by runs on the CPU only, and this one is on {device}; choose strips, or the CPU.");
        return whole ? [MemoryMode.Whole] : OfCodec(asked, device);
    }

    /// <summary>The modes to try for the autoencoder, the fastest first: what networks cannot do does not bind it.</summary>
    /// <param name="asked">The mode that was asked for, or null.</param>
    /// <param name="device">Where it runs.</param>
    internal static IReadOnlyList<MemoryMode> OfCodec(MemoryMode? asked, DeviceType device) =>
        asked is { } mode ? [mode] : device == DeviceType.CPU ? Enum.GetValues<MemoryMode>() : [MemoryMode.Whole, MemoryMode.Strips];
}
