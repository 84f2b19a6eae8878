using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>How far pictures are changed, each by a draw of its own, before a network that has to know them again sees them.</summary>
internal sealed record AugmentationConfig
{
    /// <summary>The most that a picture is moved along each side, as a share of the side.</summary>
    public double Shift { get; init; } = 0.08;

    /// <summary>The most that a picture is made larger or smaller, as a natural logarithm.</summary>
    public double Scale { get; init; } = 0.15;

    /// <summary>The most that each colour's level and the contrast change, as a share of the range.</summary>
    public double Colour { get; init; } = 0.08;

    /// <summary>The most of a mean over 5x5 pixels that is mixed in, in [0, 1].</summary>
    public double Blur { get; init; } = 0.8;

    /// <summary>The largest standard deviation of noise, as a share of the range.</summary>
    public double Noise { get; init; } = 0.04;

    internal void Check()
    {
        Settings.InRange("augmentation.shift", Shift, 0, 0.5);
        Settings.InRange("augmentation.scale", Scale, 0, 1);
        Settings.InRange("augmentation.colour", Colour, 0, 1);
        Settings.InRange("augmentation.blur", Blur, 0, 1);
        Settings.InRange("augmentation.noise", Noise, 0, 1);
    }
}

/// <summary>Changes pictures as a person would not mind: place, size, colour, sharpness, noise.</summary>
internal static class PictureAugmentation
{
    private const int BlurSide = 5;

    /// <summary>Changes each picture by a draw of its own; what comes in from outside continues the border.</summary>
    /// <param name="pictures">Float32 in [-1, 1]. Shape: <c>[B, C, H, W]</c>.</param>
    /// <param name="config">How far.</param>
    /// <param name="generator">Draws.</param>
    internal static Tensor Apply(Tensor pictures, AugmentationConfig config, Generator generator)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor changed = Blurred(Coloured(Moved(pictures, config, generator), config, generator), config, generator);
        Tensor deviation = rand(pictures.shape[0], 1, 1, 1, generator: generator) * (2 * config.Noise);
        return (changed + randn(pictures.shape, generator: generator) * deviation).clamp_(-1, 1).MoveToOuterDisposeScope();
    }

    /// <summary>Mirrors about half of the pictures, left to right.</summary>
    /// <param name="pictures">Shape: <c>[B, C, H, W]</c>.</param>
    /// <param name="generator">Draws one number for each.</param>
    internal static Tensor Mirrored(Tensor pictures, Generator generator) =>
        where(rand(pictures.shape[0], 1, 1, 1, generator: generator) < 0.5, pictures.flip(3), pictures);

    private static Tensor Moved(Tensor pictures, AugmentationConfig config, Generator generator)
    {
        long count = pictures.shape[0];
        Tensor size = Symmetric(config.Scale, generator, count, 1).exp(), none = zeros_like(size);
        // Coordinates go from -1 to 1, so that a side is 2 long.
        Tensor right = Symmetric(2 * config.Shift, generator, count, 1), down = Symmetric(2 * config.Shift, generator, count, 1);
        Tensor maps = cat([size, none, right, none, size, down], 1).view(count, 2, 3);
        Tensor grid = nn.functional.affine_grid(maps, pictures.shape, false);
        return nn.functional.grid_sample(pictures, grid, GridSampleMode.Bilinear, GridSamplePaddingMode.Border, false);
    }

    private static Tensor Coloured(Tensor pictures, AugmentationConfig config, Generator generator)
    {
        long count = pictures.shape[0], channels = pictures.shape[1];
        Tensor contrast = Symmetric(config.Colour, generator, count, 1, 1, 1) + 1, level = Symmetric(2 * config.Colour, generator, count, channels, 1, 1);
        return pictures * contrast + level;
    }

    private static Tensor Blurred(Tensor pictures, AugmentationConfig config, Generator generator)
    {
        const int reach = BlurSide / 2;
        Tensor padded = nn.functional.pad(pictures, (reach, reach, reach, reach), PaddingModes.Replicate);
        Tensor mean = nn.functional.avg_pool2d(padded, BlurSide, stride: 1);
        Tensor share = rand(pictures.shape[0], 1, 1, 1, generator: generator) * config.Blur;
        return pictures + (mean - pictures) * share;
    }

    private static Tensor Symmetric(double reach, Generator generator, params long[] shape) => (rand(shape, generator: generator) * 2 - 1) * reach;
}
