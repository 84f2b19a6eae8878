using Microsoft.Win32.SafeHandles;
using Mural.Checkpoints;
using Mural.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Layers.Strips;

/// <summary>A map in a file that is gone when the map is: of memory it takes what is being read or written.</summary>
internal sealed class DiskMap : WritableMap
{
    /// <summary>What the files are called.</summary>
    internal const string Pattern = "map-*.tmp";

    private const long LongestSpan = 1 << 30;

    private readonly SafeFileHandle _file;
    private readonly ScalarType _type;
    private readonly long _rowBytes;

    /// <exception cref="MuralException">There is no room for it.</exception>
    internal DiskMap(string folder, long height, long width, long channels, ScalarType type) : base(height, width, channels)
    {
        _type = type;
        _rowBytes = width * channels * type.ElementSize();
        string path = Path.Combine(folder, Pattern.Replace("*", Path.GetRandomFileName(), StringComparison.Ordinal));
        try
        {
            // Gone with the process, however it ends: Windows deletes what it closes, elsewhere a file without a name lives as long as its handle.
            FileOptions options = OperatingSystem.IsWindows() ? FileOptions.DeleteOnClose : FileOptions.None;
            _file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, options: options, preallocationSize: height * _rowBytes);
            if (!OperatingSystem.IsWindows()) File.Delete(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new MuralException(
                $"A feature map of {height * _rowBytes / 1e9:0.0} GB cannot be kept in {folder} ({error.Message.TrimEnd('.')}); free some space or choose another place.", error);
        }
    }

    internal override unsafe Tensor Rows(long first, long count)
    {
        using Tensor pixels = empty([1, count, Width, Channels], _type);
        byte* target = (byte*)TensorData.Pointer(pixels);
        for (long done = 0, all = count * _rowBytes; done < all; done += LongestSpan)
            FileBytes.Fill(
                _file, new Span<byte>(target + done, (int)Math.Min(all - done, LongestSpan)), first * _rowBytes + done,
                "A feature map's file ends too early; the disk may be full.");
        return pixels.permute(0, 3, 1, 2);
    }

    private protected override unsafe void Store(long first, Tensor rows)
    {
        using Tensor view = rows.permute(0, 2, 3, 1), typed = view.to(_type), pixels = typed.contiguous();
        byte* source = (byte*)TensorData.Pointer(pixels);
        for (long done = 0, all = rows.shape[2] * _rowBytes; done < all;)
        {
            int part = (int)Math.Min(all - done, 1 << 30);
            RandomAccess.Write(_file, new ReadOnlySpan<byte>(source + done, part), first * _rowBytes + done);
            done += part;
        }
    }

    public override void Dispose() => _file.Dispose();
}
