using System.Text.Json.Serialization;

namespace Mural.DiM;

/// <summary>What the rows of a model's two label tables stand for.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Conditioning>))]
public enum Conditioning
{
    /// <summary>Classes: a picture belongs to one.</summary>
    [JsonStringEnumMemberName("class")]
    Class,

    /// <summary>Words of a <see cref="Vocabulary"/>: a picture's condition is the mean over the words of its name.</summary>
    [JsonStringEnumMemberName("words")]
    Words,
}
