using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Mural.Checkpoints;

/// <summary>
/// The header of a safetensors file, read where it lies in the mapped file. Every rule of the format is checked, with overflow-checked arithmetic, before a
/// tensor can be asked for; each broken rule has its own message.
/// </summary>
internal sealed class SafetensorsHeader
{
    private const string MetadataKey = "__metadata__";

    private readonly string _path;
    private readonly CheckpointLimits _limits;
    private readonly long _dataStart;
    private readonly long _dataLength;

    private SafetensorsHeader(string path, CheckpointLimits limits, long dataStart, long dataLength)
    {
        _path = path;
        _limits = limits;
        _dataStart = dataStart;
        _dataLength = dataLength;
    }

    internal Dictionary<string, TensorEntry> Tensors { get; } = [];

    internal Dictionary<string, string> Metadata { get; } = [];

    /// <exception cref="MuralException">The header breaks a rule of the format.</exception>
    internal static SafetensorsHeader Read(MappedFile file, CheckpointLimits limits)
    {
        string path = file.Path;
        if (file.Length < 8) throw Malformed(path, $"it has {file.Length} bytes where the length of the header alone takes 8");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(file.Slice(0, 8));
        if (length == 0) throw Malformed(path, "its header is empty");
        if (length > (ulong)limits.HeaderBytes) throw Malformed(path, $"its header would take {length} bytes where at most {limits.HeaderBytes} are accepted");
        if (length > (ulong)(file.Length - 8)) throw Malformed(path, $"its header should take {length} bytes but the file ends after {file.Length - 8}");
        ReadOnlySpan<byte> json = file.Slice(8, (int)length);
        if (json[0] != '{') throw Malformed(path, "its header does not begin with a brace");
        if (!Utf8.IsValid(json)) throw Malformed(path, "its header is not UTF-8 text");
        var header = new SafetensorsHeader(path, limits, 8 + (long)length, file.Length - 8 - (long)length);
        try
        {
            header.Parse(json);
        }
        catch (JsonException error)
        {
            throw Malformed(path, $"its header is not valid JSON at byte {error.BytePositionInLine}", error);
        }
        catch (InvalidOperationException error)
        {
            throw Malformed(path, "its header holds half of a surrogate pair, which is no text", error);
        }
        header.CheckCoverage();
        return header;
    }

    /// <summary>Whether a file's header has a name that begins so, seen without looking at anything else: for a choice among many files. A file that is none has not.</summary>
    /// <param name="path">The file.</param>
    /// <param name="beginning">The beginning, of letters that JSON does not escape.</param>
    internal static bool Mentions(string path, string beginning)
    {
        try
        {
            // Asked of the path, so that devices and pipes, which have no length, are passed over without being opened.
            if (FileBytes.LengthOf(path) < 8) return false;
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1);
            Span<byte> start = stackalloc byte[8];
            if (stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) < start.Length) return false;
            ulong length = BinaryPrimitives.ReadUInt64LittleEndian(start);
            if (length > (ulong)CheckpointLimits.Default.HeaderBytes || length > (ulong)(stream.Length - start.Length)) return false;
            byte[] json = new byte[length];
            stream.ReadExactly(json);
            return json.AsSpan().IndexOf(Encoding.UTF8.GetBytes('"' + beginning)) >= 0;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private void Parse(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        reader.Read();
        bool metadata = false;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string name = reader.GetString()!;
            reader.Read();
            if (name == MetadataKey)
            {
                if (metadata) throw Malformed("its header holds __metadata__ twice");
                metadata = true;
                ParseMetadata(ref reader);
            }
            else
            {
                if (name.Length > _limits.NameLength) throw Malformed($"a tensor's name has {name.Length} characters where at most {_limits.NameLength} are accepted");
                TensorEntry entry = ParseTensor(ref reader, name);
                if (!Tensors.TryAdd(name, entry)) throw Malformed($"its header holds the tensor {Quote.Name(name)} twice");
            }
        }
        // Whatever follows the object but white space throws here.
        reader.Read();
    }

    private void ParseMetadata(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw Malformed("its __metadata__ is not an object");
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String) throw Malformed($"its metadata entry {Quote.Name(key)} is not text");
            if (!Metadata.TryAdd(key, reader.GetString()!)) throw Malformed($"its metadata holds {Quote.Name(key)} twice");
        }
    }

    private TensorEntry ParseTensor(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw Malformed($"the tensor {Quote.Name(name)} is not described by an object");
        string? type = null;
        long[]? shape = null, offsets = null;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string field = reader.GetString()!;
            reader.Read();
            bool again = field switch { "dtype" => type is not null, "shape" => shape is not null, "data_offsets" => offsets is not null, _ => false };
            if (again) throw Malformed($"the tensor {Quote.Name(name)} has its {field} twice");
            switch (field)
            {
                case "dtype":
                    if (reader.TokenType != JsonTokenType.String) throw Malformed($"the dtype of the tensor {Quote.Name(name)} is not text");
                    type = reader.GetString()!;
                    break;
                case "shape":
                    shape = ParseIntegers(ref reader, name, field, _limits.Rank, $"has more than {_limits.Rank} dimensions");
                    break;
                case "data_offsets":
                    offsets = ParseIntegers(ref reader, name, field, 2, "has more than two data_offsets");
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
        if (type is null) throw Malformed($"the tensor {Quote.Name(name)} has no dtype");
        if (shape is null) throw Malformed($"the tensor {Quote.Name(name)} has no shape");
        if (offsets is null) throw Malformed($"the tensor {Quote.Name(name)} has no data_offsets");
        if (offsets.Length != 2) throw Malformed($"the tensor {Quote.Name(name)} has {offsets.Length} data_offsets instead of two");
        return Check(name, type, shape, offsets[0], offsets[1]);
    }

    private long[] ParseIntegers(ref Utf8JsonReader reader, string name, string field, int limit, string tooMany)
    {
        if (reader.TokenType != JsonTokenType.StartArray) throw Malformed($"the {field} of the tensor {Quote.Name(name)} is not a list");
        Span<long> values = limit <= 64 ? stackalloc long[limit] : new long[limit];
        int count = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (count == limit) throw Malformed($"the tensor {Quote.Name(name)} {tooMany}");
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out values[count]))
                throw Malformed($"the {field} of the tensor {Quote.Name(name)} holds something other than a 64-bit integer");
            if (values[count] < 0) throw Malformed($"the {field} of the tensor {Quote.Name(name)} holds the negative number {values[count]}");
            count++;
        }
        return values[..count].ToArray();
    }

    private TensorEntry Check(string name, string typeName, long[] shape, long begin, long end)
    {
        SafetensorsType? type = SafetensorsType.Find(typeName);
        if (type is null && SafetensorsType.IsKnown(typeName))
            throw new MuralException(
                $"{_path} cannot be read: the tensor {Quote.Name(name)} has the type {typeName}, which is not supported; convert it to one of {SafetensorsType.Supported}.");
        if (type is null) throw Malformed($"the tensor {Quote.Name(name)} has the unknown type {Quote.Name(typeName)}");
        if (begin > end) throw Malformed($"the tensor {Quote.Name(name)} ends at {end}, before it begins at {begin}");
        if (end > _dataLength) throw Malformed($"the tensor {Quote.Name(name)} ends at byte {end} of the data but the file has only {_dataLength}");
        long bytes = Sizes.Bytes(shape, type.Bytes);
        if (bytes < 0) throw Malformed($"the shape {Sizes.Text(shape)} of the tensor {Quote.Name(name)} has more elements than can be counted");
        if (bytes != end - begin)
            throw Malformed($"the tensor {Quote.Name(name)} of type {typeName} and shape {Sizes.Text(shape)} takes {bytes} bytes but has {end - begin}");
        return new TensorEntry(name, type.Type, shape, _dataStart + begin, bytes) { Stored = typeName };
    }

    private void CheckCoverage()
    {
        long end = _dataStart;
        TensorEntry? previous = null;
        foreach (TensorEntry entry in Tensors.Values.OrderBy(entry => entry.Offset).ThenBy(entry => entry.Bytes))
        {
            if (entry.Offset > end) throw Malformed($"there is a hole of {entry.Offset - end} bytes before the tensor {Quote.Name(entry.Name)}");
            if (entry.Offset < end) throw Malformed($"the tensors {Quote.Name(previous!.Name)} and {Quote.Name(entry.Name)} overlap");
            end = entry.Offset + entry.Bytes;
            previous = entry;
        }
        long left = _dataStart + _dataLength - end;
        if (left > 0) throw Malformed($"{left} bytes follow the last tensor");
    }

    private MuralException Malformed(string what) => Malformed(_path, what);

    private static MuralException Malformed(string path, string what, Exception? cause = null) =>
        new($"{path} is not a valid safetensors file: {what}; download or export it again.", cause);
}
