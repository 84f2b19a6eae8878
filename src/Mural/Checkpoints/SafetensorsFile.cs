using System.IO.MemoryMappedFiles;
using System.Text.Json;
using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>A safetensors file, memory-mapped; tensors are copied straight to where they are wanted.</summary>
public sealed class SafetensorsFile : ITensorSource
{
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;

    private SafetensorsFile(string path, MemoryMappedFile map, MemoryMappedViewAccessor view, Dictionary<string, TensorEntry> tensors, Dictionary<string, string> metadata)
    {
        Path = path;
        _map = map;
        _view = view;
        Tensors = tensors;
        Metadata = metadata;
    }

    /// <summary>The file's path.</summary>
    public string Path { get; }

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, TensorEntry> Tensors { get; }

    /// <summary>The free text entries of the header.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="MuralException">The file is missing or malformed.</exception>
    public static SafetensorsFile Open(string path)
    {
        long length = new FileInfo(path).Length;
        MemoryMappedFile map = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        MemoryMappedViewAccessor view = map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        long headerLength = view.ReadInt64(0);
        byte[] header = new byte[headerLength];
        view.ReadArray(8, header, 0, header.Length);
        var tensors = new Dictionary<string, TensorEntry>();
        var metadata = new Dictionary<string, string>();
        using JsonDocument document = JsonDocument.Parse(header);
        foreach (JsonProperty property in document.RootElement.EnumerateObject())
        {
            if (property.Name == "__metadata__")
            {
                foreach (JsonProperty entry in property.Value.EnumerateObject()) metadata[entry.Name] = entry.Value.GetString()!;
                continue;
            }
            long begin = property.Value.GetProperty("data_offsets")[0].GetInt64(), end = property.Value.GetProperty("data_offsets")[1].GetInt64();
            long[] shape = [.. property.Value.GetProperty("shape").EnumerateArray().Select(d => d.GetInt64())];
            tensors[property.Name] = new TensorEntry(property.Name, TypeOf(property.Value.GetProperty("dtype").GetString()!), shape, 8 + headerLength + begin, end - begin) { Stored = property.Value.GetProperty("dtype").GetString()! };
        }
        return new SafetensorsFile(path, map, view, tensors, metadata);
    }

    /// <inheritdoc/>
    public Tensor Read(string name, ScalarType? type = null)
    {
        TensorEntry entry = Tensors[name];
        Tensor tensor = empty(entry.Shape, type ?? entry.Type);
        CopyInto(name, tensor);
        return tensor;
    }

    /// <inheritdoc/>
    public void CopyInto(string name, Tensor destination)
    {
        TensorEntry entry = Tensors[name];
        int size = SafetensorsType.Find(entry.Stored)!.Bytes;
        TensorPieces.Fill(destination, entry.Type, (first, target) => CopyBytes(entry.Offset + first * size, target));
    }

    private unsafe void CopyBytes(long offset, Span<byte> target)
    {
        byte* source = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref source);
        try
        {
            new ReadOnlySpan<byte>(source + _view.PointerOffset + offset, target.Length).CopyTo(target);
        }
        finally
        {
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
        }
    }

    private static ScalarType TypeOf(string name) => SafetensorsType.Find(name)?.Type ?? throw new MuralException($"The tensor type {name} is not supported.");

    /// <inheritdoc/>
    public void Dispose()
    {
        _view.Dispose();
        _map.Dispose();
    }
}
