using Mural.Autoencoders;
using Mural.Imaging;
using Mural.Runtime;
using Mural.Training;
using Mural.Training.Data;
using static TorchSharp.torch;

namespace Mural.Report;

/// <summary>Real pictures through an autoencoder and back: what the best denoiser on its latents could paint.</summary>
internal sealed class Reconstructions : IPainter
{
    private readonly AutoencoderKL _autoencoder;
    private readonly IReadOnlyList<PictureItem> _pictures;

    /// <param name="folder">The autoencoder's.</param>
    /// <param name="pictures">The pictures, in the order of their seeds.</param>
    internal Reconstructions(string folder, IReadOnlyList<PictureItem> pictures)
    {
        _pictures = pictures;
        _autoencoder = AutoencoderKL.FromFolder(folder);
        _autoencoder.PrepareForInference(KernelSet.Mural, ScalarType.Float32);
        Identity = ContentHash.Of(Painters.Weights(folder).Concat(pictures.Select(picture => picture.File)));
    }

    public string Identity { get; }

    public bool TakesHiDiffusion => false;

    public Task<Picture> PaintAsync(string caption, long seed, PaintSettings settings)
    {
        using var quiet = inference_mode();
        using var scope = NewDisposeScope();
        Tensor picture = PictureTensors.FromPicture(PictureReader.Read(_pictures[(int)seed].File).ToRgb());
        return Task.FromResult(PictureTensors.ToPictures(_autoencoder.forward(picture))[0]);
    }

    public ValueTask DisposeAsync()
    {
        _autoencoder.Dispose();
        return ValueTask.CompletedTask;
    }
}
