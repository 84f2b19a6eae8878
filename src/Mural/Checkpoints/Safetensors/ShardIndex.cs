using System.Text.Json;

namespace Mural.Checkpoints;

/// <summary>
/// The index of a checkpoint in several files: which file holds which tensor, as transformers and diffusers write it
/// (<c>NAME.safetensors.index.json</c> with <c>weight_map</c> and <c>metadata</c>, <c>NAME.bin.index.json</c> for files of torch.save).
/// </summary>
internal sealed record ShardIndex(IReadOnlyDictionary<string, string> Files, IReadOnlyDictionary<string, string> Metadata)
{
    internal const string Suffix = ".safetensors.index.json", TorchSuffix = ".bin.index.json";

    private const string TotalSize = "total_size";

    /// <exception cref="MuralException">The file is no index.</exception>
    internal static ShardIndex Read(MappedFile file, CheckpointLimits limits)
    {
        if (file.Length > limits.HeaderBytes) throw Malformed(file, $"it has {file.Length} bytes where at most {limits.HeaderBytes} are accepted");
        var files = new Dictionary<string, string>();
        var metadata = new Dictionary<string, string>();
        try
        {
            var reader = new Utf8JsonReader(file.Slice(0, (int)file.Length));
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject) throw Malformed(file, "it is not a JSON object");
            bool mapped = false;
            while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
            {
                string key = reader.GetString()!;
                reader.Read();
                if (key == "weight_map")
                {
                    if (mapped) throw Malformed(file, "it holds its weight_map twice");
                    mapped = true;
                    ReadMap(ref reader, file, files);
                }
                else if (key == "metadata" && reader.TokenType == JsonTokenType.StartObject)
                {
                    ReadMetadata(ref reader, metadata);
                }
                else
                {
                    reader.Skip();
                }
            }
            reader.Read();
            if (!mapped) throw Malformed(file, "it has no weight_map");
        }
        catch (JsonException error)
        {
            throw Malformed(file, $"its JSON is broken at line {error.LineNumber + 1}", error);
        }
        catch (InvalidOperationException error)
        {
            throw Malformed(file, "it holds text that is not UTF-8", error);
        }
        return new ShardIndex(files, metadata);
    }

    internal static byte[] Write(IReadOnlyDictionary<string, string> files, long totalBytes)
    {
        using var json = new MemoryStream();
        using (var writer = new Utf8JsonWriter(json, new JsonWriterOptions { Indented = true }))
        {
            writer.WriteStartObject();
            writer.WriteStartObject("metadata");
            writer.WriteNumber(TotalSize, totalBytes);
            writer.WriteEndObject();
            writer.WriteStartObject("weight_map");
            foreach ((string name, string file) in files.OrderBy(pair => pair.Key, StringComparer.Ordinal)) writer.WriteString(name, file);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        return json.ToArray();
    }

    private static void ReadMap(ref Utf8JsonReader reader, MappedFile file, Dictionary<string, string> files)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw Malformed(file, "its weight_map is not an object");
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string name = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String) throw Malformed(file, $"the file of the tensor {Quote.Name(name)} is not text");
            string shard = reader.GetString()!;
            // Shards lie beside their index: a path that leads elsewhere is an attempt to read other files.
            if (shard.Length == 0 || shard is "." or ".." || shard.AsSpan().ContainsAny('/', '\\', ':') || shard.AsSpan().ContainsAnyInRange('\0', '\x1F'))
                throw Malformed(file, $"it names the shard {Quote.Name(shard)}, which is not a plain file name");
            if (!files.TryAdd(name, shard)) throw Malformed(file, $"it holds the tensor {Quote.Name(name)} twice");
        }
    }

    private static void ReadMetadata(ref Utf8JsonReader reader, Dictionary<string, string> metadata)
    {
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string key = reader.GetString()!;
            reader.Read();
            using JsonDocument value = JsonDocument.ParseValue(ref reader);
            // The size is of these files, and would be wrong in a copy of them.
            if (key != TotalSize) metadata[key] = value.RootElement.ToString();
        }
    }

    private static MuralException Malformed(MappedFile file, string what, Exception? cause = null) =>
        new($"{file.Path} is not an index of shards: {what}; download or export it again.", cause);
}
