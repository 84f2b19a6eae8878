using System.Text.Json.Serialization;

namespace Mural.DiM;

/// <summary>What fills the pad rows below the image tokens; the pad columns to the right are the same in both (spec dim.md 1.4).</summary>
[JsonConverter(typeof(JsonStringEnumConverter<PadLayout>))]
public enum PadLayout
{
    /// <summary>Each bottom row repeats one pad token: the released model for 256 pixels.</summary>
    [JsonStringEnumMemberName("lateral")]
    Lateral,

    /// <summary>The pad tokens follow each other through the bottom rows: the released model for 512 pixels and the upsampling.</summary>
    [JsonStringEnumMemberName("rho_pad")]
    RhoPad,
}
