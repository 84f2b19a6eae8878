using System.Globalization;
using Mural.Checkpoints;
using Mural.DiM;
using Mural.Evaluation;
using Mural.Imaging;
using Mural.Layers;
using Mural.Runtime;
using Mural.Training.Data;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Trains a judge to find the words of pictures, and the pictures of words.</summary>
internal sealed class JudgeTask : ITrainingTask
{
    private const int MeasuredPictures = 1000, MostCandidates = 100, MeasuredAtOnce = 64;

    private const int SheetPictures = 24, SheetColumns = 6, SheetSide = 192;

    private readonly JudgeTrainingConfig _config;
    private readonly PictureSet _pictures;
    private readonly Vocabulary _vocabulary;
    private readonly CaptionTable _captions;
    private readonly int[] _captionOf;
    private readonly SampleOrder _order;
    private readonly JudgeModel _model, _average;
    private readonly ScalarType _type;
    private readonly Device _device;

    internal JudgeTask(JudgeTrainingConfig config, PictureSet pictures, Device device)
    {
        _config = config;
        _pictures = pictures;
        _device = device;
        _type = config.ComputeType;
        string path = Settings.Resolve(config.SettingsPath, config.Vocabulary);
        _vocabulary = Vocabulary.Load(path);
        int[][] words = PictureWords.Of(pictures.Items, _vocabulary, path);
        if (Array.FindIndex(words, set => set.Length == 0) is int bare and >= 0)
            throw new MuralException($"The picture '{pictures.Items[bare].File}' has no words; give every picture some, or leave it out of the list.");
        _captions = new CaptionTable(words);
        _captionOf = [.. words.Select(_captions.RowOf)];
        if (pictures.Training.Select(row => _captionOf[row]).Distinct().Count() < 2)
            throw new MuralException("All pictures to train on have the same words; a judge needs different ones to tell apart.");
        _order = new SampleOrder(pictures.Training, config.Seed);
        JudgeConfig judge = config.ToJudgeConfig(_vocabulary.Count);
        using var seed = new GlobalSeed(config.Seed);
        using var loaded = new PartialLoad();
        _model = loaded.Add(new JudgeModel(judge, new LayerFactory(ScalarType.Float32, Initialize: true, device)));
        _average = loaded.Add(new JudgeModel(judge, new LayerFactory(ScalarType.Float32, Initialize: true, device)));
        loaded.Complete();
    }

    public nn.Module Model => _model;

    public nn.Module Average => _average;

    public string Identity =>
        $"judge {string.Join('-', _config.Model.BlockOutChannels)} x{_config.Model.LayersPerBlock}"
            + $"{(_config.Model.NormNumGroups == new JudgeArchitecture().NormNumGroups ? "" : $" groups {_config.Model.NormNumGroups}")}, "
            + $"words {_vocabulary.Count}-{WordsKey}"
            + $"x{_config.Model.WordWidth}, features {_config.Model.EmbeddingSize}, seed {_config.Seed}, batch {_config.StepSamples}, "
            + $"pictures {_pictures.Key}{(_config.Data.Flip ? "-mirrored" : "")}, split {_pictures.SplitKey}";

    private string WordsKey => ContentHash.Of(
    [
        .. _vocabulary.Words,
        .. _captions.Captions.Select(words => string.Join(' ', words)),
        .. _captionOf.Select(row => row.ToString(CultureInfo.InvariantCulture)),
    ]);

    public void Initialise()
    {
        // The layers start as they were made.
    }

    public ITrainingStep Draw(long step)
    {
        int[] rows = _order.Take(step * _config.StepSamples, _config.StepSamples);
        using var generator = new Generator(SplitMix.Combine(_config.Seed, step));
        using var scope = NewDisposeScope();
        Tensor pictures = _pictures.Pictures(rows);
        if (_config.Data.Flip) pictures = PictureAugmentation.Mirrored(pictures, generator);
        Tensor changed = PictureAugmentation.Apply(pictures, _config.Augmentation, generator);
        Tensor words = Vocabulary.ToLabels([.. rows.Select(row => _captions.Captions[_captionOf[row]])]);
        Tensor captions = tensor(rows.Select(row => (long)_captionOf[row]).ToArray());
        return new Samples(this, changed.to(_device).DetachFromDisposeScope(), words.to(_device).DetachFromDisposeScope(), captions.to(_device).DetachFromDisposeScope());
    }

    public IReadOnlyList<(string Name, double Value)> WriteSheet(string path, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Tensor captions = Judge.EmbedCaptions(_average, _captions, _device);
        var measured = new List<(string, double)>();
        int[] seen = Spread.Over(_pictures.Training, MeasuredPictures), unseen = Spread.Over(_pictures.HeldOut, MeasuredPictures);
        CaptionRetrieval known = Retrieval(seen, captions, cancellation);
        measured.Add(("found", known.Found));
        // Pictures that it never saw tell more where there are any.
        (int[] shown, CaptionRetrieval found) = (seen, known);
        if (unseen.Length > 0)
        {
            (shown, found) = (unseen, Retrieval(unseen, captions, cancellation));
            measured.Add(("found_held_out", found.Found));
        }
        WritePictures(path, shown, found);
        return measured;
    }

    public void WriteResult(string folder, CancellationToken cancellation)
    {
        ModelFolder.Save(_average, _average.Config.ToJson(), folder, ScalarType.Float16, JudgeModel.WeightsStem, cancellation: cancellation);
        AtomicFile.WriteText(Path.Combine(folder, JudgeModel.VocabularyName), string.Concat(_vocabulary.Words.Select(word => word + "\n")));
    }

    public void Dispose()
    {
        _model.Dispose();
        _average.Dispose();
        _pictures.Dispose();
    }

    private CaptionRetrieval Retrieval(int[] rows, Tensor captions, CancellationToken cancellation)
    {
        using var scope = NewDisposeScope();
        var features = new List<Tensor>();
        foreach (int[] chunk in rows.Chunk(MeasuredAtOnce))
        {
            cancellation.ThrowIfCancellationRequested();
            using var inner = NewDisposeScope();
            features.Add(_average.EmbedPictures(_pictures.Pictures(chunk).to(_device).to(_type)).MoveToOtherDisposeScope(scope));
        }
        return CaptionRetrieval.Of(cat(features), captions, _captions, [.. rows.Select(row => _captionOf[row])], Math.Min(MostCandidates, _captions.MostCandidates));
    }

    // Pictures, each with the words that the judge found for it; a cross marks wrong ones.
    private void WritePictures(string path, int[] rows, CaptionRetrieval found)
    {
        using var scope = NewDisposeScope();
        int[] places = Spread.Over([.. Enumerable.Range(0, rows.Length)], SheetPictures);
        Picture[] pictures = PictureTensors.ToPictures(_pictures.Pictures([.. places.Select(place => rows[place])]));
        Picture[] enlarged = [.. pictures.Select(picture => PictureResizer.Resize(picture, SheetSide, SheetSide, ResizeFilter.Bicubic))];
        string[] labels = [.. places.Select(place =>
            $"{(found.Ranks[place] == 1 ? "" : "x ")}{string.Join(' ', _captions.Captions[found.Best[place]].OrderDescending().Select(word => _vocabulary.Words[word]))}")];
        PictureWriter.Write(path, new SampleGrid { Columns = Math.Min(SheetColumns, enlarged.Length) }.Tile(enlarged, labels));
    }

    private sealed class Samples(JudgeTask task, Tensor pictures, Tensor words, Tensor captions) : ITrainingStep
    {
        public Tensor Loss(int part)
        {
            using var scope = NewDisposeScope();
            int batch = task._config.Batch;
            Tensor Part(Tensor all) => all.narrow(0, (long)part * batch, batch);
            Tensor seen = task._model.EmbedPictures(Part(pictures).to(task._type)), said = task._model.EmbedWords(Part(words));
            return ContrastiveLoss.Of(seen, said, task._model.Scale(), Part(captions)).MoveToOuterDisposeScope();
        }

        public void Dispose()
        {
            pictures.Dispose();
            words.Dispose();
            captions.Dispose();
        }
    }
}
