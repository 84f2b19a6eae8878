namespace Mural.Imaging;

/// <summary>What a picture file says of itself without its pixels.</summary>
/// <param name="Format">Format of the file.</param>
/// <param name="Width">Width in pixels as stored, before an EXIF orientation turns it.</param>
/// <param name="Height">Height in pixels as stored.</param>
/// <param name="Metadata">The texts it carries.</param>
public sealed record PictureInfo(PictureFormat Format, int Width, int Height, PictureMetadata Metadata);
