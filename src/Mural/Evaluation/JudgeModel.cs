using Mural.Checkpoints;
using Mural.DiM;
using Mural.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Mural.Evaluation;

/// <summary>
/// Two towers that turn pictures and sets of words into vectors of the same space, close together where the words say what the picture shows: CLIP (arXiv 2103.00020) in small.
/// </summary>
internal sealed class JudgeModel : NamedModule
{
    internal const string VocabularyName = "vocabulary.txt", WeightsStem = "model";

    // CLIP's first temperature, and the least that it is allowed.
    private const double FirstTemperature = 0.07, LeastTemperature = 0.01;

    private readonly PictureTower _pictures;
    private readonly WordTower _words;
    private readonly Parameter _logScale;

    internal JudgeModel(JudgeConfig config, LayerFactory layers) : base(nameof(JudgeModel))
    {
        config.Validate();
        Config = config;
        _pictures = this.Register("pictures", new PictureTower(config.Architecture, layers));
        _words = this.Register("words", new WordTower(config.Words, config.Architecture, layers));
        _logScale = this.Register("logit_scale", full([], -Math.Log(FirstTemperature), ScalarType.Float32, layers.Device));
    }

    internal JudgeConfig Config { get; }

    /// <summary>Opens a folder with <c>config.json</c> and <c>model.safetensors</c>, with weights in float32.</summary>
    /// <exception cref="MuralException">A file is missing or malformed, or the weights do not fit the config.</exception>
    internal static JudgeModel FromFolder(string folder, Device device)
    {
        var model = new JudgeModel(JudgeConfig.Read(folder), new LayerFactory(ScalarType.Float32, Initialize: false, device));
        return ModelFolder.Loaded(model, () =>
        {
            using ITensorSource weights = ModelFolder.OpenWeights(folder, stem: WeightsStem);
            ModuleWeights.Load(model, weights);
            model.eval();
        });
    }

    /// <summary>Features of length 1 of pictures in [-1, 1], <c>[B, 3, S, S]</c>, whose type is that of the computation. Shape: <c>[B, E]</c>, float32.</summary>
    internal Tensor EmbedPictures(Tensor pictures) => OfLengthOne(_pictures.forward(pictures));

    /// <summary>Features of length 1 of sets of words, indices <c>[B, K]</c> filled up with -1. Shape: <c>[B, E]</c>, float32.</summary>
    internal Tensor EmbedWords(Tensor words)
    {
        using var scope = NewDisposeScope();
        return OfLengthOne(_words.forward(LabelBags.From(words, words.shape[0], Config.Words, _logScale.device))).MoveToOuterDisposeScope();
    }

    /// <summary>One over the temperature, learned: what the cosine of two vectors is multiplied with before a softmax.</summary>
    internal Tensor Scale()
    {
        using Tensor limited = _logScale.clamp_max(-Math.Log(LeastTemperature));
        return limited.exp();
    }

    private static Tensor OfLengthOne(Tensor features)
    {
        using var scope = NewDisposeScope();
        return (features * (features.square().sum(1, keepdim: true) + 1e-12).rsqrt()).MoveToOuterDisposeScope();
    }
}
