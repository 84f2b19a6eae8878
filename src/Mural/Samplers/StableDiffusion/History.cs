using static TorchSharp.torch;

namespace Mural.Samplers;

/// <summary>The last few tensors of one kind, newest first, kept beyond the dispose scope of the step that made them.</summary>
internal sealed class History(int capacity)
{
    private readonly LinkedList<Tensor> _kept = new();

    internal int Count => _kept.Count;

    /// <summary>The tensor that was added so many additions ago; 0 is the newest.</summary>
    internal Tensor this[int age] => _kept.ElementAt(age);

    /// <summary>Adds a tensor of the current dispose scope, and disposes of the oldest where there are too many.</summary>
    internal void Add(Tensor tensor)
    {
        _kept.AddFirst(tensor.alias().MoveToOuterDisposeScope());
        if (_kept.Count <= capacity) return;
        _kept.Last!.Value.Dispose();
        _kept.RemoveLast();
    }
}
