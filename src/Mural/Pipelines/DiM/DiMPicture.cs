using Mural.Imaging;

namespace Mural.Pipelines;

/// <summary>A painted picture and what it was painted from.</summary>
/// <param name="Picture">The picture, RGB.</param>
/// <param name="Seed">The seed that paints it again.</param>
/// <param name="Plan">Words, size and settings, the same for all pictures of a request.</param>
public sealed record DiMPicture(Picture Picture, ulong Seed, DiMPlan Plan);
