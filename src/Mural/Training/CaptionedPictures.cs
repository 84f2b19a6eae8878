using Mural.Autoencoders;
using Mural.Imaging;
using Mural.Training.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Pictures that somebody captioned, as latents of the model's autoencoder.</summary>
internal sealed class CaptionedPictures : IDistillationSamples
{
    private readonly PictureSet _pictures;
    private readonly LatentSet _latents;
    private readonly AutoencoderKL _autoencoder;
    private readonly bool _flip;
    private readonly SquareFit _fit;

    /// <param name="config">The pictures.</param>
    /// <param name="settingsPath">What their paths are relative to.</param>
    /// <param name="autoencoder">Theirs to keep.</param>
    /// <param name="type">Type that it computes in.</param>
    /// <param name="device">Where.</param>
    /// <param name="report">Hears what takes time.</param>
    /// <param name="cancellation">Ends the preparation.</param>
    internal CaptionedPictures(DataConfig config, string settingsPath, AutoencoderKL autoencoder, ScalarType type, Device device, Action<string> report, CancellationToken cancellation)
    {
        (_autoencoder, _flip, _fit) = (autoencoder, config.Flip, config.Fit);
        _pictures = PictureSet.Open(config, settingsPath, report, cancellation);
        try
        {
            autoencoder.to(device);
            _latents = LatentSet.Open(_pictures, new LatentEncoding(autoencoder, type, device, _flip), PictureSet.CacheFolder(config, settingsPath), report, cancellation);
        }
        catch
        {
            _pictures.Dispose();
            throw;
        }
    }

    public IReadOnlyList<int> Training => _pictures.Training;

    public IReadOnlyList<int> HeldOut => _pictures.HeldOut;

    public string Key => _latents.Key;

    public string Caption(int row) => _pictures.Items[row].ReadCaption();

    public float[] Sizes(int row)
    {
        int size = _pictures.Size;
        // Whole pictures, made the size that they are trained at, unless their own is to be told.
        if (_fit != SquareFit.ShortSide) return [size, size, 0, 0];
        PictureInfo file = PictureReader.Identify(_pictures.Items[row].File);
        (int _, int _, int top, int left) = PictureDecoder.ShortSide(file.Width, file.Height, size);
        return [file.Height, file.Width, top, left];
    }

    public Tensor Latents(IReadOnlyList<int> rows, Generator generator)
    {
        using DisposeScope scope = NewDisposeScope();
        int[] stored = [.. rows];
        if (_flip)
        {
            float[] draws = rand(rows.Count, generator: generator).data<float>().ToArray();
            stored = [.. rows.Select((row, i) => draws[i] < 0.5f ? row + _pictures.Items.Count : row)];
        }
        int side = _pictures.Size / _autoencoder.Config.Downscale;
        Tensor noise = randn([rows.Count, _autoencoder.Config.LatentChannels, side, side], generator: generator);
        return _latents.Latents(stored, noise).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _latents.Dispose();
        _pictures.Dispose();
        _autoencoder.Dispose();
    }
}
