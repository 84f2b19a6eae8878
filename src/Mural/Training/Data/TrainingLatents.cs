using Mural.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Training.Data;

/// <summary>The latents of a set of pictures, and the autoencoder that they are of.</summary>
internal sealed class TrainingLatents : IDisposable
{
    private readonly LatentSet _set;

    private TrainingLatents(AutoencoderKL autoencoder, LatentSet set) => (Autoencoder, _set) = (autoencoder, set);

    internal AutoencoderKL Autoencoder { get; }

    /// <summary>Names the content.</summary>
    internal string Key => _set.Key;

    /// <summary>Opens the latents, encoding the pictures first where that was not done yet.</summary>
    /// <param name="pictures">The pictures.</param>
    /// <param name="autoencoder">The autoencoder, which is disposed of with the latents, and where they cannot be opened.</param>
    /// <param name="type">Type that it computes in.</param>
    /// <param name="device">Where it computes.</param>
    /// <param name="data">The pictures' settings.</param>
    /// <param name="settingsPath">What their paths are relative to.</param>
    /// <param name="report">Hears what takes time.</param>
    /// <param name="cancellation">Ends the encoding.</param>
    /// <exception cref="MuralException">The pictures' size is no multiple of the autoencoder's factor.</exception>
    internal static TrainingLatents Open(
        PictureSet pictures, AutoencoderKL autoencoder, ScalarType type, Device device, DataConfig data, string settingsPath, Action<string> report, CancellationToken cancellation)
    {
        try
        {
            data.RequireMultipleOf(autoencoder.Config.Downscale, "autoencoder");
            autoencoder.to(device);
            return new TrainingLatents(
                autoencoder, LatentSet.Open(pictures, new LatentEncoding(autoencoder, type, device, data.Flip), PictureSet.CacheFolder(data, settingsPath), report, cancellation));
        }
        catch
        {
            autoencoder.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Latents of some pictures as a network sees them, drawn anew from their moments and, where pictures are mirrored, with every second one mirrored. Shape: `[B, C, h, w]`.
    /// </summary>
    internal Tensor Draw(IReadOnlyList<int> rows, Generator generator) => _set.Draw(rows, generator);

    public void Dispose()
    {
        _set.Dispose();
        Autoencoder.Dispose();
    }
}
