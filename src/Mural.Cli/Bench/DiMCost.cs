using Mural.DiM;

namespace Mural.Cli.Bench;

/// <summary>Counts the work of a DiM from its configuration.</summary>
internal static class DiMCost
{
    /// <summary>
    /// Floating-point operations (a multiplication and an addition are two) of the matrix products in one forward pass of one picture: the
    /// blocks' projections and skip linears over the padded sequence, patch embedding and output projection over the image tokens. Scan,
    /// convolutions and norms are not matrix products and not counted.
    /// </summary>
    internal static double Forward(DiMConfig config, TokenGrid grid)
    {
        double width = config.Width, inner = config.InnerWidth, rank = config.TimeStepRank, states = config.StateSize;
        double mixer = width * 2 * inner + inner * (rank + 2 * states) + rank * inner + inner * width;
        double patch = (double)config.PatchSize * config.PatchSize * config.InChannels;
        double sequence = config.SequenceLength(grid);
        return 2 * (sequence * (config.Blocks * mixer + config.DecoderBlocks * 2 * width * width) + grid.Count * 2 * patch * width);
    }

    /// <summary>A training step: the backward pass multiplies twice, for the gradients of the input and of the weights.</summary>
    internal static double TrainingStep(DiMConfig config, TokenGrid grid, int batch) => 3 * batch * Forward(config, grid);
}
