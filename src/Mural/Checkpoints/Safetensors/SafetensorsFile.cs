using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>
/// A safetensors file (https://huggingface.co/docs/safetensors), memory-mapped: opening reads its header only, tensors are converted straight to where
/// they are wanted.
/// </summary>
public sealed class SafetensorsFile : ITensorSource
{
    private readonly MappedFile _file;

    private SafetensorsFile(MappedFile file, SafetensorsHeader header)
    {
        _file = file;
        Tensors = header.Tensors;
        Metadata = header.Metadata;
    }

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public string Format => "safetensors";

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorEntry> Tensors { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a file and checks its whole header.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limits">What the file may ask for; <see cref="CheckpointLimits.Default"/> when not given.</param>
    /// <exception cref="MuralException">The file is missing, cannot be read, or is malformed.</exception>
    public static SafetensorsFile Open(string path, CheckpointLimits? limits = null)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            FileContent.RefuseWhatIsNoCheckpoint(file);
            return Read(file, limits ?? CheckpointLimits.Default);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads the header of a mapped file, which then belongs to the result.</summary>
    internal static SafetensorsFile Read(MappedFile file, CheckpointLimits limits) => new(file, SafetensorsHeader.Read(file, limits));

    /// <inheritdoc/>
    public Tensor Read(string name, ScalarType? type = null) => TensorReading.Read(this, name, type);

    /// <inheritdoc/>
    public void CopyInto(string name, Tensor destination)
    {
        TensorEntry entry = TensorReading.Check(this, name, destination);
        SafetensorsType type = SafetensorsType.Find(entry.Stored)!;
        int elementBytes = type.Type.ElementBytes();
        TensorPieces.Fill(destination, entry.Type, (first, target) =>
            type.Decode(_file.Slice(entry.Offset + first * type.Bytes, target.Length / elementBytes * type.Bytes), target));
        _file.Release(entry.Offset, entry.Bytes);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
