using System.Text.Json.Serialization;

namespace Mural.DiM;

/// <summary>How a checkpoint holds the map that joins a long skip to the stream; both forms compute the same (spec dim.md 1.7, step 1).</summary>
[JsonConverter(typeof(JsonStringEnumConverter<SkipForm>))]
public enum SkipForm
{
    /// <summary>One linear for the stream and one for the skip, summed: sizes L and H.</summary>
    [JsonStringEnumMemberName("two linears")]
    TwoLinears,

    /// <summary>One linear on the stream and the skip laid side by side: size S.</summary>
    [JsonStringEnumMemberName("one linear on the concatenation")]
    Concatenated,
}
