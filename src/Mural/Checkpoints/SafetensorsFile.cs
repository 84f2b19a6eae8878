using System.IO.MemoryMappedFiles;
using System.Text.Json;
using static TorchSharp.torch;

namespace Mural.Checkpoints;

/// <summary>What a safetensors header says of one tensor. Offsets count from the start of the file.</summary>
public sealed record TensorEntry(string Name, ScalarType Type, long[] Shape, long Offset, long Bytes);

/// <summary>A safetensors file, memory-mapped; tensors are copied straight to where they are wanted.</summary>
public sealed class SafetensorsFile : IDisposable
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
            tensors[property.Name] = new TensorEntry(property.Name, TypeOf(property.Value.GetProperty("dtype").GetString()!), shape, 8 + headerLength + begin, end - begin);
        }
        return new SafetensorsFile(path, map, view, tensors, metadata);
    }

    /// <summary>Reads one tensor, converted to <paramref name="type"/> when given.</summary>
    public unsafe Tensor Read(string name, ScalarType? type = null)
    {
        TensorEntry entry = Tensors[name];
        Tensor tensor = empty(entry.Shape, entry.Type);
        if (entry.Bytes > 0)
        {
            byte* source = null;
            _view.SafeMemoryMappedViewHandle.AcquirePointer(ref source);
            try
            {
                Span<byte> target = tensor.bytes;
                new ReadOnlySpan<byte>(source + _view.PointerOffset + entry.Offset, (int)entry.Bytes).CopyTo(target);
            }
            finally
            {
                _view.SafeMemoryMappedViewHandle.ReleasePointer();
            }
        }
        if (type is null || type == entry.Type) return tensor;
        using (tensor) return tensor.to(type.Value);
    }

    private static ScalarType TypeOf(string name) => name switch
    {
        "F64" => ScalarType.Float64,
        "F32" => ScalarType.Float32,
        "F16" => ScalarType.Float16,
        "BF16" => ScalarType.BFloat16,
        "I64" => ScalarType.Int64,
        "I32" => ScalarType.Int32,
        "I16" => ScalarType.Int16,
        "I8" => ScalarType.Int8,
        "U8" => ScalarType.Byte,
        "BOOL" => ScalarType.Bool,
        _ => throw new MuralException($"The tensor type {name} is not supported."),
    };

    /// <inheritdoc/>
    public void Dispose()
    {
        _view.Dispose();
        _map.Dispose();
    }
}
