using Mural.Layers;
using Mural.Layers.Clip;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Text;

/// <summary>Token plus position embeddings; ids beyond the vocabulary take vectors that were added.</summary>
internal sealed class ClipTextEmbeddings : NamedModule
{
    private readonly ClipTable _tokens, _positions;
    private readonly int _vocabulary;
    private Tensor? _added;

    internal ClipTextEmbeddings(ClipTextConfig config, LayerFactory layers) : base(nameof(ClipTextEmbeddings))
    {
        _vocabulary = config.VocabularySize;
        _tokens = this.Register("token_embedding", new ClipTable(config.VocabularySize, config.Transformer.Width, layers));
        _positions = this.Register("position_embedding", new ClipTable(config.Positions, config.Transformer.Width, layers));
    }

    /// <summary>One more than the highest id, added ones included.</summary>
    internal int Count => _vocabulary + (int)(_added?.shape[0] ?? 0);

    /// <summary>Where ids are expected.</summary>
    internal Device Device => _tokens.Rows.device;

    /// <summary>Adds vectors <c>[n, D]</c>, whose ids begin at the <see cref="Count"/> before.</summary>
    internal void Add(Tensor vectors)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor added = vectors.detach().to(_tokens.Rows.dtype).to(_tokens.Rows.device);
        Tensor joined = _added is null ? added.clone() : cat([_added, added]);
        _added?.Dispose();
        _added = joined.DetachFromDisposeScope();
    }

    /// <summary>Ids <c>[B, L]</c> to vectors <c>[B, L, D]</c>.</summary>
    internal Tensor Forward(Tensor ids)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor vectors = _tokens.Take(ids.clamp_max(_vocabulary - 1));
        if (_added is not null)
        {
            Tensor isAdded = (ids >= _vocabulary).unsqueeze(-1);
            vectors = where(isAdded, ClipTable.Take(_added, (ids - _vocabulary).clamp_min(0)), vectors);
        }
        return (vectors + _positions.Rows).MoveToOuterDisposeScope();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _added?.Dispose();
        base.Dispose(disposing);
    }
}
