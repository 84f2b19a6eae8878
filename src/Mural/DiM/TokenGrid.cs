using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mural.DiM;

/// <summary>Rows and columns of image tokens: the latent's height and width divided by the patch size.</summary>
[JsonConverter(typeof(Converter))]
public readonly record struct TokenGrid(int Rows, int Columns)
{
    /// <summary>Rows times columns.</summary>
    [JsonIgnore]
    public int Count => Rows * Columns;

    internal TokenGrid Padded(int padLength) => new(Rows + padLength, Columns + padLength);

    /// <summary>Rows x columns.</summary>
    public override string ToString() => $"{Rows}x{Columns}";

    // In config.json a grid is the array [rows, columns].
    internal sealed class Converter : JsonConverter<TokenGrid>
    {
        public override TokenGrid Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            int[]? sizes = JsonSerializer.Deserialize<int[]>(ref reader, options);
            return sizes is [int rows, int columns] ? new TokenGrid(rows, columns) : throw new JsonException("a grid is written [rows, columns]");
        }

        public override void Write(Utf8JsonWriter writer, TokenGrid value, JsonSerializerOptions options)
        {
            writer.WriteStartArray();
            writer.WriteNumberValue(value.Rows);
            writer.WriteNumberValue(value.Columns);
            writer.WriteEndArray();
        }
    }
}
