using System.Runtime.CompilerServices;

namespace Mural.Kernels;

/// <summary>The loop of GEGLU.</summary>
internal abstract class GatedGeluPasses : IVectorized<GatedGeluPasses>
{
    public static GatedGeluPasses Over<T, V>() where T : ILanes<V> where V : unmanaged => new GatedGeluPasses<T, V>();

    /// <param name="pair">Both halves. Shape: `[B, N, 2 C]`.</param>
    /// <param name="output">Is written. Shape: `[B, N, C]`.</param>
    /// <param name="spans">How the tokens are cut.</param>
    /// <param name="channels">C.</param>
    internal abstract void Forward(Rows pair, Rows output, TokenSpans spans, int channels);
}

/// <summary>The loop at one vector width.</summary>
internal sealed class GatedGeluPasses<T, V> : GatedGeluPasses
    where T : ILanes<V>
    where V : unmanaged
{
    internal override void Forward(Rows pair, Rows output, TokenSpans spans, int channels) =>
        Workers.Run(spans.Items, (item, _) => Forward(pair, output, spans, channels, item));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Forward(in Rows pair, in Rows output, in TokenSpans spans, int channels, int item)
    {
        (int sample, int start, int end) = spans.Of(item);
        for (int token = start; token < end; token++)
        {
            Row source = pair.At(sample, token), target = output.At(sample, token);
            for (int channel = 0; channel < channels; channel += T.Count)
            {
                int left = channels - channel;
                V gate = source.Load<T, V>(channels + channel, left);
                target.Store<T, V>(T.Multiply(source.Load<T, V>(channel, left), LaneMath.Gelu<T, V>(gate)), channel, left);
            }
        }
    }
}
