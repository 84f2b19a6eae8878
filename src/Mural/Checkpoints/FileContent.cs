namespace Mural.Checkpoints;

/// <summary>Recognises what a file holds by its first bytes.</summary>
internal static class FileContent
{
    /// <summary>The kinds of file that a checkpoint can be.</summary>
    internal enum Kind
    {
        Safetensors,
        ShardIndex,
        Zip,
        LegacyTorch,
    }

    /// <summary>What the file looks like; anything that is not clearly another kind is taken for safetensors, whose reader then says what is wrong.</summary>
    /// <exception cref="MuralException">The file is no checkpoint.</exception>
    internal static Kind Recognise(MappedFile file)
    {
        RefuseWhatIsNoCheckpoint(file);
        ReadOnlySpan<byte> start = Start(file);
        // First, because the length of a header may look like the beginning of any other kind.
        if (LooksLikeSafetensors(start)) return Kind.Safetensors;
        if (start.StartsWith("PK"u8)) return Kind.Zip;
        if (start[0] == 0x80 && start.Length > 1 && start[1] is >= 2 and <= 5) return Kind.LegacyTorch;
        return start[0] == '{' ? Kind.ShardIndex : Kind.Safetensors;
    }

    /// <summary>Refuses what a failed or wrong download leaves under a checkpoint's name.</summary>
    internal static void RefuseWhatIsNoCheckpoint(MappedFile file)
    {
        ReadOnlySpan<byte> start = Start(file);
        if (LooksLikeSafetensors(start)) return;
        // A line or two of text; longer texts come as web pages.
        ReadOnlySpan<byte> line = start.IndexOfAny((byte)'\r', (byte)'\n') is > 0 and int end ? start[..end] : start;
        string? found = start switch
        {
            _ when start.StartsWith("version https://git-lfs"u8) => "a Git LFS pointer, not the file it points to: fetch it with git lfs pull",
            _ when start.StartsWith("GGUF"u8) => "a GGUF file, which is not supported: use the safetensors version",
            _ when start.Length > 4 && start[0] == 0x89 && start[1..].StartsWith("HDF"u8) => "an HDF5 file, which is not supported: use the safetensors version",
            _ when (start[0] == 0x89 && start[1..].StartsWith("PNG"u8)) || start.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF])
                || (start.StartsWith("RIFF"u8) && start.Length > 12 && start[8..].StartsWith("WEBP"u8)) =>
                "a picture, such as the preview that lies beside one: give the checkpoint itself",
            _ when start.StartsWith("Rar!"u8) || start.StartsWith((ReadOnlySpan<byte>)[(byte)'7', (byte)'z', 0xBC, 0xAF]) || start.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B]) =>
                "an archive (RAR, 7z or gzip): unpack it and give the file in it",
            _ when start.TrimStart("\uFEFF \t\r\n"u8).StartsWith("<"u8) => "a web page or XML text, as a failed download leaves it: download it again",
            _ when line.Length > 8 && line[0] != '{' && !line.ContainsAnyExceptInRange((byte)' ', (byte)'~') => "plain text, as a failed download leaves it: download it again",
            _ => null,
        };
        if (found is not null) throw new MuralException($"{file.Path} is not a checkpoint but {found}.");
    }

    private static ReadOnlySpan<byte> Start(MappedFile file) => file.Slice(0, (int)Math.Min(file.Length, 64));

    // Eight bytes of length, of which only four can be used, then the JSON object.
    private static bool LooksLikeSafetensors(ReadOnlySpan<byte> start) => start.Length > 8 && start[4] == 0 && start[8] == '{';
}
