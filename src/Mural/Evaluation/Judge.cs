using Mural.DiM;
using Mural.Training.Data;
using static TorchSharp.torch;

namespace Mural.Evaluation;

/// <summary>Says of pictures how often their captions are found, and how far their features are from those of real pictures.</summary>
internal sealed class Judge : IDisposable
{
    private const int Batch = 64;

    private readonly JudgeModel _model;
    private readonly Device _device;

    private Judge(JudgeModel model, Vocabulary vocabulary, Device device)
    {
        _model = model;
        _device = device;
        Vocabulary = vocabulary;
    }

    /// <summary>The words that it knows.</summary>
    internal Vocabulary Vocabulary { get; }

    /// <summary>Opens a folder that a training of kind <c>judge</c> wrote.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="device">Where it computes, in float32.</param>
    /// <exception cref="MuralException">A file is missing or malformed, or the files do not belong together.</exception>
    internal static Judge Open(string folder, Device device)
    {
        JudgeModel model = JudgeModel.FromFolder(folder, device);
        try
        {
            Vocabulary vocabulary = Vocabulary.Load(Path.Combine(folder, JudgeModel.VocabularyName));
            if (vocabulary.Count != model.Config.Words)
                throw new MuralException(
                    $"The vocabulary in '{folder}' has {vocabulary.Count} words, but the judge was trained with {model.Config.Words}; take the file that came with it.");
            return new Judge(model, vocabulary, device);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Judges pictures.</summary>
    /// <param name="pictures">The pictures and their captions.</param>
    /// <param name="split">Which of them.</param>
    /// <param name="real">Real pictures: the captions of all of them are the candidates.</param>
    /// <param name="realSplit">The real pictures whose features are compared with.</param>
    /// <param name="candidates">Captions among which each picture's own has to be found.</param>
    /// <param name="progress">Hears how many pictures of how many were looked at.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="MuralException">A split is empty, a picture is broken, or there are fewer captions than candidates.</exception>
    internal Judgement Run(
        JudgedPictures pictures, PictureSplit split, JudgedPictures real, PictureSplit realSplit, int candidates,
        Action<int, int>? progress = null, CancellationToken cancellation = default)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        IReadOnlyList<JudgedPicture> judged = pictures.Of(split), compared = real.Of(realSplit);
        var table = new CaptionTable(real.Pictures.Select(picture => picture.Words));
        CaptionRetrieval.RequireCandidates(table, candidates);
        int[] own = [.. judged.Select(picture => table.RowOf(picture.Words))];
        int done = 0, all = judged.Count + compared.Count;
        void Count(int more) => progress?.Invoke(done += more, all);
        Tensor features = Features(judged, Count, cancellation);
        CaptionRetrieval retrieval = CaptionRetrieval.Of(features, EmbedCaptions(_model, table, _device), table, own, candidates);
        double? distance = judged.Count < 2 ? null : FrechetDistance.Between(features, Features(compared, Count, cancellation));
        return new Judgement
        {
            Pictures = judged.Count,
            Candidates = candidates,
            Found = retrieval.Found,
            StandardError = retrieval.StandardError,
            MeanRank = retrieval.MeanRank,
            Distance = distance,
            RealPictures = compared.Count,
            Features = (int)features.shape[1],
            Warnings = [.. Warnings(judged.Count, compared.Count, (int)features.shape[1], pictures.Ignored)],
        };
    }

    /// <summary>Features of all captions of a table, row by row.</summary>
    internal static Tensor EmbedCaptions(JudgeModel model, CaptionTable table, Device device)
    {
        using var scope = NewDisposeScope();
        return model.EmbedWords(Vocabulary.ToLabels(table.Captions).to(device)).MoveToOuterDisposeScope();
    }

    public void Dispose() => _model.Dispose();

    private static IEnumerable<string> Warnings(int pictures, int real, int features, IReadOnlyList<string> ignored)
    {
        if (pictures == 1) yield return "One picture has no covariance, so that no distance is told; give more pictures.";
        else if (Math.Min(pictures, real) <= features)
            yield return $"{Math.Min(pictures, real)} pictures are fewer than needed for a covariance of {features} features: "
                + "the distance is far too large and only comparable with that of as many pictures.";
        if (ignored.Count > 0)
            yield return $"The judge does not know these words of the captions and leaves them out: "
                + $"{string.Join(", ", ignored.Take(10))}{(ignored.Count > 10 ? $" and {ignored.Count - 10} more" : "")}.";
    }

    private Tensor Features(IReadOnlyList<JudgedPicture> pictures, Action<int> count, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var features = new List<Tensor>();
        foreach (JudgedPicture[] batch in pictures.Chunk(Batch))
        {
            cancellation.ThrowIfCancellationRequested();
            using var inner = NewDisposeScope();
            features.Add(_model.EmbedPictures(Decode(batch).to(_device)).cpu().MoveToOtherDisposeScope(scope));
            count(batch.Length);
        }
        return cat(features).to(_device).MoveToOuterDisposeScope();
    }

    // As pictures are prepared for training, but without files of decoded ones: samples are looked at once.
    private Tensor Decode(JudgedPicture[] batch)
    {
        int size = _model.Config.ImageSize, bytes = 3 * size * size;
        byte[] pixels = new byte[batch.Length * bytes];
        try
        {
            Parallel.For(0, batch.Length, i => PictureDecoder.Read(batch[i].File, _model.Config.Background, pixels.AsSpan(i * bytes, bytes), size, _model.Config.Fit));
        }
        catch (AggregateException several) when (several.InnerException is MuralException first)
        {
            throw new MuralException(first.Message, first);
        }
        return PictureSet.Unit(tensor(pixels, ScalarType.Byte).view(batch.Length, 3, size, size));
    }
}
