using System.Collections.Concurrent;
using Mural.Attention;
using Mural.DiM;
using Mural.Kernels;
using Mural.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.LinFusion;

/// <summary>
/// Two Mamba mixers (arXiv 2312.00752) whose results are added: one reads the tokens row by row from the first to the last, the other from the last to the first. Together they
/// have the inner channels of one mixer of the usual expansion, twice the tokens' channels.
/// </summary>
internal sealed class BidirectionalMamba : TokenMixer
{
    // Mamba's own.
    private const int States = 16, Taps = 4, ChannelsPerRank = 16;

    // One for each level of a network and two sizes of pictures.
    private const int OrdersKept = 8;

    private static readonly ConcurrentDictionary<int, ScanOrder> Reversed = new();

    private readonly MambaShape _shape;
    private readonly MambaMixer _forward, _backward;

    internal BidirectionalMamba(int channels, LayerFactory layers) : base(nameof(BidirectionalMamba))
    {
        _shape = new MambaShape(channels, channels, (channels + ChannelsPerRank - 1) / ChannelsPerRank, States, Taps);
        _forward = this.Register("forward_mixer", new MambaMixer(_shape, layers.Device));
        _backward = this.Register("backward_mixer", new MambaMixer(_shape, layers.Device));
    }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor tokens, MapSize map)
    {
        using DisposeScope scope = NewDisposeScope();
        int count = checked((int)tokens.shape[1]);
        if (!Reversed.TryGetValue(count, out ScanOrder? back))
        {
            if (Reversed.Count >= OrdersKept) Reversed.Clear();
            back = Reversed.GetOrAdd(count, length => new ScanOrder([.. Enumerable.Range(0, length).Reverse()]));
        }
        return (_forward.Forward(tokens, null) + _backward.Forward(tokens, back)).MoveToOuterDisposeScope();
    }

    // A softmax attention has nothing that fits.
    protected override void Start(Func<string, Tensor> attention, Generator generator)
    {
        foreach (MambaMixer mixer in new[] { _forward, _backward })
            foreach ((string name, TorchSharp.Modules.Parameter parameter) in mixer.named_parameters().OrderBy(entry => entry.name, StringComparer.Ordinal))
                MambaInitialization.Fill(parameter, name, _shape, blocks: 1, generator);
    }
}
