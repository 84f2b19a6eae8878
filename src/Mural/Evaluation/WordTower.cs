using Mural.DiM;
using Mural.Layers;
using static TorchSharp.torch;
using Linear = Mural.Layers.Linear;

namespace Mural.Evaluation;

/// <summary>Sets of words to features: the mean of their learned embeddings through a perceptron. Order and repetition mean nothing.</summary>
internal sealed class WordTower : nn.Module<LabelBags, Tensor>
{
    private readonly LabelTable _embedding;
    private readonly Linear _hidden, _output;

    internal WordTower(int words, JudgeArchitecture config, LayerFactory layers) : base(nameof(WordTower))
    {
        _embedding = this.Register("embedding", new LabelTable(words, config.WordWidth, layers.Device));
        if (layers.Initialize) Initialise();
        _hidden = this.Register("fc1", layers.Float32Linear(config.WordWidth, 2 * config.WordWidth));
        _output = this.Register("fc2", layers.Float32Linear(2 * config.WordWidth, config.EmbeddingSize));
    }

    // PyTorch's start of embeddings: far enough apart that rare words are told from each other from the first step on.
    private void Initialise()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        nn.init.normal_(_embedding.Weight);
    }

    /// <summary>Features of sets of words. Shape: <c>[B, E]</c>, float32.</summary>
    public override Tensor forward(LabelBags words)
    {
        using var scope = NewDisposeScope();
        return _output.forward(_hidden.forward(_embedding.forward(words)).silu()).MoveToOuterDisposeScope();
    }
}
