using Mural.Runtime;
using Mural.Text;

namespace Mural.Pipelines;

/// <summary>A model's text encoders, in memory for as long as they are wanted.</summary>
internal sealed class TextEncoders : IDisposable
{
    private readonly Func<IReadOnlyList<TextStage>> _load;
    private readonly StableDiffusionOptions _options;
    private IReadOnlyList<TextStage> _stages = [];
    private PromptEncoder? _encoder;

    /// <exception cref="MuralException">An encoder or a textual inversion is missing, malformed or does not fit.</exception>
    internal TextEncoders(Func<IReadOnlyList<TextStage>> load, StableDiffusionOptions options)
    {
        _load = load;
        _options = options;
        Load();
    }

    /// <summary>Sees the encoders each time they were loaded, before they are used; may change their weights.</summary>
    internal Action<IReadOnlyList<TextStage>>? OnLoaded { get; set; }

    /// <summary>Whether they are in memory now.</summary>
    internal bool AreLoaded => _encoder is not null;

    /// <summary>The encoders, loaded where they are not in memory.</summary>
    internal IReadOnlyList<TextStage> Stages
    {
        get
        {
            if (!AreLoaded) Load();
            return _stages;
        }
    }

    /// <summary>Features of the vectors that the encoders give for a token.</summary>
    internal int ContextWidth { get; private set; }

    /// <summary>Features of the pooled vector; 0 where there is none.</summary>
    internal int PooledWidth { get; private set; }

    /// <summary>Bytes of their weights, about: four products of the width and a feed-forward in each layer, and a vector for each word.</summary>
    internal double Bytes { get; private set; }

    /// <summary>Encodes prompts, and frees the encoders afterwards unless they are kept.</summary>
    internal T Use<T>(Func<PromptEncoder, T> encode)
    {
        T result = encode(_encoder ?? Load());
        if (!_options.KeepTextEncoders) Dispose();
        return result;
    }

    public void Dispose()
    {
        foreach (TextStage stage in _stages) stage.Encoder.Dispose();
        (_stages, _encoder) = ([], null);
        Allocator.Trim();
    }

    private PromptEncoder Load()
    {
        _stages = _load();
        try
        {
            OnLoaded?.Invoke(_stages);
            var encoder = new PromptEncoder(_stages, _options.Prompts);
            foreach (string path in _options.TextualInversions)
            {
                using TextualInversion inversion = TextualInversion.Read(path);
                encoder.Add(inversion);
            }
            ContextWidth = _stages.Sum(stage => stage.Encoder.Config.Transformer.Width);
            Bytes = _stages.Sum(stage => stage.Encoder.ApproximateBytes);
            PooledWidth = _stages[^1].Encoder.Config.ProjectionSize ?? 0;
            return _encoder = encoder;
        }
        catch
        {
            Dispose();
            throw;
        }
    }
}
