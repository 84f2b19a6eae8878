namespace Mural.Training.Data;

/// <summary>How pictures of any size become the squares that a run trains on.</summary>
public enum SquareFit
{
    /// <summary>Halved by box filters, resized by a bicubic one so that the short side fits, cropped at the centre.</summary>
    Crop,

    /// <summary>Stretched by OpenCV's bicubic interpolation, whatever the proportions: what LinFusion's trainer for Stable Diffusion 1 and 2 does.</summary>
    Stretch,

    /// <summary>
    /// Resized by a bilinear filter so that the short side fits, cropped at the centre, and the network told the original size and the crop: what LinFusion's trainer for SDXL
    /// does.
    /// </summary>
    ShortSide,
}
