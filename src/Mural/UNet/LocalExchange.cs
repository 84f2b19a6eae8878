using TorchSharp;
using static TorchSharp.torch;

namespace Mural.UNet;

/// <summary>Workers that are threads of one process and look at each other's tensors.</summary>
/// <param name="parts">How many they are.</param>
internal sealed class LocalExchange(int parts)
{
    private readonly Tensor?[] _posted = new Tensor?[parts];
    private readonly Barrier _meeting = new(parts);
    private readonly CancellationTokenSource _aborted = new();

    /// <summary>What a worker uses, who is the given one from the top.</summary>
    internal IPartExchange For(int part) => new Worker(this, part);

    /// <summary>Ends all workers that wait for each other.</summary>
    internal void Abort() => _aborted.Cancel();

    // Everybody posts, then everybody looks, then everybody may go on and change what was posted.
    private T Meet<T>(int part, Tensor own, Func<T> look)
    {
        _posted[part] = own;
        _meeting.SignalAndWait(_aborted.Token);
        T seen = look();
        _meeting.SignalAndWait(_aborted.Token);
        return seen;
    }

    private sealed class Worker(LocalExchange exchange, int part) : IPartExchange
    {
        public Tensor Sum(Tensor own) => exchange.Meet(part, own, () =>
        {
            using DisposeScope scope = NewDisposeScope();
            // In one order on all of them, so that all have the same bits.
            Tensor sum = exchange._posted[0]!.clone();
            foreach (Tensor? other in exchange._posted[1..]) sum.add_(other!);
            return sum.MoveToOuterDisposeScope();
        });

        public (Tensor? Above, Tensor? Below) Neighbours(Tensor map, int above, int below) => exchange.Meet(part, map, () =>
        {
            Tensor? Rows(int neighbour, int count, bool last)
            {
                if (count == 0 || neighbour < 0 || neighbour >= exchange._posted.Length) return null;
                Tensor posted = exchange._posted[neighbour]!;
                using Tensor rows = posted.narrow(2, last ? posted.shape[2] - count : 0, count);
                return rows.clone();
            }
            return (Rows(part - 1, above, last: true), Rows(part + 1, below, last: false));
        });
    }
}
