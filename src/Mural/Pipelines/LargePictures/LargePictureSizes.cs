namespace Mural.Pipelines;

/// <summary>From what size, by how many doublings, a large picture is reached (LinFusion specification 5.2). Sizes in pixels.</summary>
/// <param name="BaseHeight">Height of the first picture.</param>
/// <param name="BaseWidth">Width of the first picture.</param>
/// <param name="Doublings">How often it is doubled.</param>
internal readonly record struct LargePictureSizes(int BaseHeight, int BaseWidth, int Doublings)
{
    internal int Height => BaseHeight << Doublings;

    internal int Width => BaseWidth << Doublings;

    /// <summary>The first picture's long side is the one that the model was trained on; what is reached is at least what was asked for.</summary>
    /// <param name="height">Height asked for.</param>
    /// <param name="width">Width asked for.</param>
    /// <param name="side">Long side of the first picture.</param>
    /// <param name="multiple">Pixels of one latent position.</param>
    internal static LargePictureSizes Of(int height, int width, int side, int multiple)
    {
        int tall = Over(height, multiple), wide = Over(width, multiple), longer = Math.Max(tall, wide), native = side / multiple;
        int doublings = 0;
        while ((long)native << doublings < longer) doublings++;
        return new LargePictureSizes(Over((long)native * tall, longer) * multiple, Over((long)native * wide, longer) * multiple, doublings);
    }

    private static int Over(long value, long divisor) => (int)((value + divisor - 1) / divisor);
}
