using Mural.UNet;

namespace Mural.HiDiffusion;

/// <summary>The kinds of networks that HiDiffusion has values for.</summary>
internal enum HiDiffusionFamily
{
    /// <summary>Stable Diffusion 1 and 2.</summary>
    StableDiffusion,

    /// <summary>SDXL.</summary>
    StableDiffusionXL,

    /// <summary>SDXL distilled to a few steps.</summary>
    FewSteps,
}

/// <summary>Where HiDiffusion acts in a UNet (specification 2.1, 3.1).</summary>
/// <param name="Family">Whose values hold.</param>
/// <param name="StridedLevel">The level whose step down is made twice as large.</param>
/// <param name="PooledLevel">The level whose map is halved after its first transformer, and restored before its last one on the way up.</param>
/// <param name="Windowed">The transformer blocks whose self-attention is split into windows, in the order in which they run.</param>
/// <param name="TrainedSide">Side of the latents that the network was trained on.</param>
/// <param name="Inpaints">Whether the network sees a mask and the picture around it.</param>
internal sealed record HiDiffusionArchitecture(
    HiDiffusionFamily Family, int StridedLevel, int PooledLevel, IReadOnlyList<BlockPlace> Windowed, int TrainedSide, bool Inpaints)
{
    private const int UsualSideFirst = 64, UsualSideXL = 128, StableDiffusionLevels = 4;

    /// <summary>How many times the usual side a picture's shorter side is from the preset for large ones on.</summary>
    private const int LargeFactor = 4;

    /// <summary>
    /// Recognises a UNet by the levels that attend: the three upper ones of four are Stable Diffusion 1 and 2, the two lower ones of three SDXL. Smaller networks of the first
    /// kind have all levels but the last attend, too; their values hold in proportion to the side that they were trained on. Null for others, such as SDXL's refiner.
    /// </summary>
    /// <param name="config">The network.</param>
    /// <param name="fewSteps">Whether it was distilled to a few steps.</param>
    /// <param name="side">Side of the latents that it was trained on, where the configuration states another; null for what that states.</param>
    internal static HiDiffusionArchitecture? Find(UNetConfig config, bool fewSteps = false, int? side = null)
    {
        bool Attends(params bool[] down) => config.DownBlockAttention.SequenceEqual(down) && config.UpBlockAttention.Reverse().SequenceEqual(down);
        bool inpaints = config.InChannels > config.OutChannels;
        int levels = config.DownBlockAttention.Count;
        if (levels >= 3 && Attends([.. Enumerable.Repeat(true, levels - 1), false]))
        {
            int trained = side ?? config.SampleSize ?? UsualSideFirst;
            return new(HiDiffusionFamily.StableDiffusion, 0, 1, BlocksOf(config, 0), trained, inpaints)
            {
                IsSmall = levels < StableDiffusionLevels,
                UsualSide = levels == StableDiffusionLevels ? UsualSideFirst : trained,
                ControlSide = trained,
            };
        }
        if (!Attends(false, true, true)) return null;
        return new(fewSteps ? HiDiffusionFamily.FewSteps : HiDiffusionFamily.StableDiffusionXL, 1, 1, BlocksOf(config, 1), side ?? config.SampleSize ?? UsualSideXL, inpaints)
        {
            UsualSide = UsualSideXL,
            ControlSide = UsualSideXL
        };
    }

    /// <summary>
    /// Whether it has fewer levels than Stable Diffusion. Its latents are small too: what a picture shows is still being settled in steps in which Stable Diffusion paints detail,
    /// so that resampling lasts longer.
    /// </summary>
    internal bool IsSmall { get; init; }

    /// <summary>Side of the latents that the family's networks are made for, by which presets are chosen.</summary>
    internal required int UsualSide { get; init; }

    /// <summary>
    /// Longer side of the latents that a ControlNet sees while deep blocks are resampled: that of SDXL (specification 4.1), of other networks the one that they were trained on.
    /// </summary>
    internal required int ControlSide { get; init; }

    /// <summary>Shorter side of latents from which the preset for large pictures holds.</summary>
    internal int LargeSide => LargeFactor * UsualSide;

    private static List<BlockPlace> BlocksOf(UNetConfig config, int level)
    {
        IEnumerable<BlockPlace> Blocks(BlockPath path, int attentions) =>
            from attention in Enumerable.Range(0, attentions)
            from depth in Enumerable.Range(0, config.TransformerLayers[level])
            select new BlockPlace(path, level, attention, depth);
        return [.. Blocks(BlockPath.Down, config.LayersPerBlock[level]), .. Blocks(BlockPath.Up, config.LayersPerBlock[level] + 1)];
    }
}
