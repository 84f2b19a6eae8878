using System.Text.Json;

namespace Mural.Checkpoints;

/// <summary>The order of the tensors in a safetensors file and the header that says so.</summary>
internal sealed record SafetensorsLayout(IReadOnlyList<PendingTensor> Tensors, byte[] Header, long FileBytes)
{
    internal static SafetensorsLayout Plan(IReadOnlyCollection<PendingTensor> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        PendingTensor[] ordered =
        [
            .. tensors.OrderByDescending(tensor => SafetensorsType.Of(tensor.Type, tensor.Name).Bytes).ThenBy(tensor => tensor.Name, StringComparer.Ordinal),
        ];
        using var json = new MemoryStream();
        json.Write(new byte[8]);
        long offset = 0;
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            writer.WriteStartObject("__metadata__");
            if (metadata is null || !metadata.ContainsKey("format")) writer.WriteString("format", "pt");
            foreach ((string key, string value) in metadata ?? new Dictionary<string, string>()) writer.WriteString(key, value);
            writer.WriteEndObject();
            foreach (PendingTensor tensor in ordered)
            {
                if (tensor.Name == "__metadata__")
                    throw new MuralException("A tensor cannot be named __metadata__ in a safetensors file; rename it.");
                writer.WriteStartObject(tensor.Name);
                writer.WriteString("dtype", SafetensorsType.Of(tensor.Type, tensor.Name).Name);
                writer.WriteStartArray("shape");
                foreach (long size in tensor.Shape) writer.WriteNumberValue(size);
                writer.WriteEndArray();
                writer.WriteStartArray("data_offsets");
                writer.WriteNumberValue(offset);
                writer.WriteNumberValue(offset = checked(offset + tensor.Bytes));
                writer.WriteEndArray();
                writer.WriteEndObject();
            }
            writer.WriteEndObject();
        }
        while (json.Length % 8 != 0) json.WriteByte((byte)' ');
        byte[] header = json.ToArray();
        BitConverter.TryWriteBytes(header, header.LongLength - 8);
        return new SafetensorsLayout(ordered, header, checked(header.LongLength + offset));
    }
}
