using Mural.Samplers;

namespace Mural.Pipelines;

/// <summary>The part of a run that something has a say in.</summary>
internal static class CallRange
{
    /// <summary>Whether a call lies wholly between two shares of the run, as diffusers counts for ControlNets (Stable Diffusion specification 7.1).</summary>
    internal static bool Holds(DenoiserCall call, double start, double end) => Holds(call.Index, call.Count, start, end);

    /// <summary>The same of a call with its number, from 0, and the number of calls.</summary>
    internal static bool Holds(int index, int count, double start, double end) => (double)index / count >= start && (double)(index + 1) / count <= end;

    /// <exception cref="MuralException">The shares are not in order between 0 and 1.</exception>
    internal static void Require(string what, double start, double end)
    {
        if (!(start >= 0 && start <= end && end <= 1))
            throw new MuralException($"{what} runs from {start} to {end} of the steps; give shares from 0 to 1, the start not after the end.");
    }
}
