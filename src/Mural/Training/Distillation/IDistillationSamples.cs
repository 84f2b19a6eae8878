using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>What a distillation learns from: captions, and latents of what they say.</summary>
internal interface IDistillationSamples : IDisposable
{
    /// <summary>Rows to train on.</summary>
    IReadOnlyList<int> Training { get; }

    /// <summary>Rows never trained on.</summary>
    IReadOnlyList<int> HeldOut { get; }

    /// <summary>Names the content: what the run must find the same when it is resumed.</summary>
    string Key { get; }

    string Caption(int row);

    /// <summary>What SDXL is told of a row: height and width before it was resized, top and left of the crop.</summary>
    float[] Sizes(int row);

    /// <summary>Latents of rows in the denoiser's scale, float32. Shape: `[B, C, h, w]`.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="generator">Draws what is drawn anew each time.</param>
    Tensor Latents(IReadOnlyList<int> rows, Generator generator);
}
