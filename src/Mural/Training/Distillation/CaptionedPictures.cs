using Mural.Autoencoders;
using Mural.Imaging;
using Mural.Training.Data;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Pictures that somebody captioned, as latents of the model's autoencoder.</summary>
internal sealed class CaptionedPictures : IDistillationSamples
{
    private readonly PictureSet _pictures;
    private readonly TrainingLatents _latents;
    private readonly string[] _captions;
    private readonly SquareFit _fit;

    /// <param name="config">The pictures.</param>
    /// <param name="settingsPath">What their paths are relative to.</param>
    /// <param name="autoencoder">Loads it; it is theirs to dispose of.</param>
    /// <param name="type">Type that it computes in.</param>
    /// <param name="device">Where.</param>
    /// <param name="report">Hears what takes time.</param>
    /// <param name="cancellation">Ends the preparation.</param>
    internal CaptionedPictures(
        DataConfig config, string settingsPath, Func<AutoencoderKL> autoencoder, ScalarType type, Device device, Action<string> report, CancellationToken cancellation)
    {
        _fit = config.Fit;
        _pictures = PictureSet.Open(config, settingsPath, report, cancellation);
        try
        {
            _captions = [.. _pictures.Items.Select(item => item.ReadCaption())];
            _latents = TrainingLatents.Open(_pictures, autoencoder(), type, device, config, settingsPath, report, cancellation);
        }
        catch
        {
            _pictures.Dispose();
            throw;
        }
    }

    public IReadOnlyList<int> Training => _pictures.Training;

    public IReadOnlyList<int> HeldOut => _pictures.HeldOut;

    // What pictures are said to show is what the teacher says of them, too.
    public string Key => $"{_latents.Key}-{ContentHash.Of(_captions)}-{_pictures.SplitKey}";

    public string Caption(int row) => _captions[row];

    public float[] Sizes(int row)
    {
        int size = _pictures.Size;
        // Whole pictures, made the size that they are trained at, unless their own is to be told.
        if (_fit != SquareFit.ShortSide) return [size, size, 0, 0];
        PictureInfo file = PictureReader.Identify(_pictures.Items[row].File);
        (int _, int _, int top, int left) = PictureDecoder.ShortSide(file.Width, file.Height, size);
        return [file.Height, file.Width, top, left];
    }

    public Tensor Latents(IReadOnlyList<int> rows, Generator generator) => _latents.Draw(rows, generator);

    public void Dispose()
    {
        _latents.Dispose();
        _pictures.Dispose();
    }
}
