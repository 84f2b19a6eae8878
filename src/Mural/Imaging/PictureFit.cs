namespace Mural.Imaging;

/// <summary>What happens where a picture has other proportions than the size wanted.</summary>
public enum PictureFit
{
    /// <summary>It is stretched.</summary>
    Stretch,

    /// <summary>It is shown whole in the middle; its border rows or columns fill the rest.</summary>
    Fill,

    /// <summary>It covers the size; its middle is kept.</summary>
    Crop,
}
