namespace Mural.Pipelines;

/// <summary>How a picture becomes a large one (LinFusion specification 5).</summary>
public enum UpscaleMethod
{
    /// <summary>Painted at the training size, then doubled again and again: enlarged, noised in part and denoised (SDEdit; specification 5.1).</summary>
    SdEdit,

    /// <summary>The same, with a second call of the network, its convolutions dilated, in each step (specification 5.2). Takes twice the time.</summary>
    HighResolution,

    /// <summary>A given picture is enlarged at once, with dilated convolutions too (specification 5.3).</summary>
    SuperResolution,
}
