using Mural.Autoencoders;
using TorchSharp;
using static TorchSharp.torch;

namespace Mural.Training.Data;

/// <summary>How pictures become latents.</summary>
/// <param name="Autoencoder">The autoencoder, on <paramref name="Device"/>.</param>
/// <param name="Type">Type that it computes in.</param>
/// <param name="Device">Where it computes.</param>
/// <param name="Mirrored">Encodes every picture's mirror image too.</param>
internal sealed record LatentEncoding(AutoencoderKL Autoencoder, ScalarType Type, Device Device, bool Mirrored);

/// <summary>
/// The posterior moments of every picture of a set, encoded once and kept in a memory-mapped file of float16 values, named after the pictures and the autoencoder's
/// weights. Latents are drawn from them anew each time. With mirroring, a second half holds the mirrored pictures.
/// </summary>
internal sealed class LatentSet : IDisposable
{
    private const int EncodedAtOnce = 32;

    private readonly MappedRows _rows;
    private readonly long[] _shape;
    private readonly AutoencoderKL _autoencoder;
    private readonly int _pictures;
    private readonly bool _mirrored;

    private LatentSet(string path, long[] shape, int pictures, LatentEncoding encoding, string key)
    {
        (_shape, _pictures, _mirrored, _autoencoder) = (shape, pictures, encoding.Mirrored, encoding.Autoencoder);
        Key = key;
        _rows = new MappedRows(path, pictures * (encoding.Mirrored ? 2 : 1), 2 * shape.Aggregate(1L, (a, b) => a * b));
    }

    /// <summary>Names the content.</summary>
    internal string Key { get; }

    /// <summary>Opens the moments, encoding the pictures first where that was not done yet.</summary>
    internal static LatentSet Open(PictureSet pictures, LatentEncoding encoding, string folder, Action<string> report, CancellationToken cancellation)
    {
        AutoencoderConfig autoencoder = encoding.Autoencoder.Config;
        int side = pictures.Size / autoencoder.Downscale;
        long[] shape = [2L * autoencoder.LatentChannels, side, side];
        string type = encoding.Type.ToString().ToLowerInvariant();
        string key = $"{pictures.Key}-{ContentHash.Of(encoding.Autoencoder)}-{type}{(encoding.Mirrored ? "-mirrored" : "")}";
        string path = Path.Combine(folder, $"latents-{key}.bin");
        if (!File.Exists(path))
        {
            report($"encoding {pictures.Items.Count:N0} pictures");
            Encode(pictures, encoding, path, cancellation);
        }
        return new LatentSet(path, shape, pictures.Items.Count, encoding, key);
    }

    /// <summary>Mean and log variance of the given rows, float32. Shape: `[B, 2C, h, w]`.</summary>
    internal Tensor Moments(ReadOnlySpan<int> rows)
    {
        using Tensor stored = empty([rows.Length, .. _shape], ScalarType.Float16);
        _rows.Copy(rows, stored.bytes);
        return stored.to(float32);
    }

    /// <summary>Latents of the given rows as the denoiser sees them. Shape: `[B, C, h, w]`.</summary>
    internal Tensor Latents(ReadOnlySpan<int> rows, Tensor noise)
    {
        using Tensor moments = Moments(rows);
        return Sample(moments, noise, _autoencoder);
    }

    /// <summary>Latents of some pictures, drawn anew; with mirroring, every second one is mirrored.</summary>
    internal Tensor Draw(IReadOnlyList<int> pictures, Generator generator)
    {
        using DisposeScope scope = NewDisposeScope();
        int[] stored = [.. pictures];
        if (_mirrored)
        {
            float[] draws = rand(stored.Length, generator: generator).data<float>().ToArray();
            stored = [.. stored.Select((row, i) => draws[i] < 0.5f ? row + _pictures : row)];
        }
        return Latents(stored, randn([stored.Length, _shape[0] / 2, .. _shape[1..]], generator: generator)).MoveToOuterDisposeScope();
    }

    /// <summary>Latents drawn from posterior moments `[B, 2C, h, w]`, log variances clamped to [-30, 20], in the scale of the autoencoder's config.</summary>
    internal static Tensor Sample(Tensor moments, Tensor noise, AutoencoderKL autoencoder)
    {
        using var posterior = new DiagonalGaussian(moments);
        using Tensor latent = posterior.Sample(noise);
        return autoencoder.ScaleLatent(latent);
    }

    /// <inheritdoc/>
    public void Dispose() => _rows.Dispose();

    private static void Encode(PictureSet pictures, LatentEncoding encoding, string path, CancellationToken cancellation)
    {
        using var quiet = no_grad();
        PreparedFile.Write(path, stream =>
        {
            foreach (bool flip in encoding.Mirrored ? (bool[])[false, true] : [false])
            {
                foreach (int[] chunk in Enumerable.Range(0, pictures.Items.Count).Chunk(EncodedAtOnce))
                {
                    cancellation.ThrowIfCancellationRequested();
                    using var scope = NewDisposeScope();
                    Tensor batch = pictures.Pictures(chunk).to(encoding.Device).to(encoding.Type);
                    if (flip) batch = batch.flip(3);
                    stream.Write(encoding.Autoencoder.EncodeMoments(batch).to(ScalarType.Float16).cpu().contiguous().bytes);
                }
            }
        });
    }
}
