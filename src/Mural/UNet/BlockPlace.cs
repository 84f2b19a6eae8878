namespace Mural.UNet;

/// <summary>The parts of a UNet that have transformers.</summary>
internal enum BlockPath
{
    /// <summary>The way down.</summary>
    Down,

    /// <summary>The lowest level.</summary>
    Middle,

    /// <summary>The way up.</summary>
    Up,
}

/// <summary>Where a transformer block stands.</summary>
/// <param name="Path">On which way.</param>
/// <param name="Level">The level, counted from the latent's resolution downwards on either way.</param>
/// <param name="Attention">Which transformer of the level.</param>
/// <param name="Depth">Which block of the transformer.</param>
internal readonly record struct BlockPlace(BlockPath Path, int Level, int Attention, int Depth);
