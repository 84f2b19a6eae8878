using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>
/// One run of a UNet by several workers, each with a slab of rows: the mathematics of a picture that several machines paint together, here with threads of one process. Each
/// worker's memory for maps is that of its slab; what they tell each other is a few rows of each map, two numbers a group, and d x (d + 1) numbers for each head.
/// </summary>
internal static class PartitionedForward
{
    /// <param name="network">With linear attention everywhere, on the CPU.</param>
    /// <param name="sample">Shape: `[B, in, h, w]`.</param>
    /// <param name="timestep">Shape: `[B]`, or one value for all.</param>
    /// <param name="prompt">Made by the network.</param>
    /// <param name="parts">Number of workers.</param>
    /// <returns>What <see cref="UNet2DConditionModel.Forward"/> returns, to rounding. Shape: `[B, out, h, w]`.</returns>
    /// <exception cref="MuralException">There are more workers than rows at the lowest level, or attentions that cannot be parted.</exception>
    internal static Tensor Run(UNet2DConditionModel network, Tensor sample, Tensor timestep, PreparedPrompt prompt, int parts)
    {
        using DisposeScope scope = NewDisposeScope();
        (long Start, long Count)[] slabs = Slabs(sample.shape[2], parts, network.Config.BlockOutChannels.Count);
        var exchange = new LocalExchange(parts);
        var results = new Tensor?[parts];
        var failures = new Exception?[parts];
        Thread[] workers = [.. slabs.Select((slab, part) => new Thread(() =>
        {
            try
            {
                // Which operators are recorded is each thread's own.
                using IDisposable quiet = no_grad();
                using DisposeScope own = NewDisposeScope();
                Tensor rows = sample.narrow(2, slab.Start, slab.Count).contiguous();
                results[part] = network.Run(rows, timestep, prompt, part: new MapPart(exchange.For(part))).DetachFromDisposeScope();
            }
            catch (Exception failure)
            {
                failures[part] = failure;
                exchange.Abort();
            }
        }))];
        foreach (Thread worker in workers) worker.Start();
        foreach (Thread worker in workers) worker.Join();
        foreach (Tensor result in results.OfType<Tensor>()) scope.Attach(result);
        // The first that failed by itself, not because others had.
        if (failures.FirstOrDefault(failure => failure is not (null or OperationCanceledException)) is { } first)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
        return cat([.. results.OfType<Tensor>()], 2).MoveToOuterDisposeScope();
    }

    /// <summary>Rows of each part. They begin at rows that every level can halve, so that no position of any level belongs to two parts.</summary>
    /// <param name="height">Rows of the latents.</param>
    /// <param name="parts">Number of workers.</param>
    /// <param name="levels">Levels of the network, each of which halves the map.</param>
    internal static (long Start, long Count)[] Slabs(long height, int parts, int levels)
    {
        long unit = 1L << (levels - 1), units = (height + unit - 1) / unit;
        if (units < parts) throw new MuralException($"{height} rows of latents can be run in {units} parts at most, not in {parts}: each needs {unit} rows.");
        long Cut(long part) => Math.Min(units * part / parts * unit, height);
        return [.. Enumerable.Range(0, parts).Select(part => (Cut(part), Cut(part + 1) - Cut(part)))];
    }
}
