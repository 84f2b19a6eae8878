using Mural.Checkpoints;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Puts one module's weights into another for a while; that one has its own again afterwards, to the bit.</summary>
internal sealed class BorrowedWeights : IDisposable
{
    private readonly (Tensor Place, Tensor Own)[] _pairs;

    /// <param name="module">The module that gets other weights.</param>
    /// <param name="source">A module of the same kind that has them.</param>
    internal BorrowedWeights(nn.Module module, nn.Module source)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Dictionary<string, Tensor> sources = ModuleWeights.Places(source);
        _pairs = [.. ModuleWeights.Places(module).Select(entry =>
        {
            Tensor own = entry.Value.detach().clone().DetachFromDisposeScope();
            entry.Value.copy_(sources[entry.Key]);
            return (entry.Value, own);
        })];
    }

    public void Dispose()
    {
        using var quiet = no_grad();
        foreach ((Tensor place, Tensor own) in _pairs)
        {
            place.copy_(own);
            own.Dispose();
        }
    }
}
