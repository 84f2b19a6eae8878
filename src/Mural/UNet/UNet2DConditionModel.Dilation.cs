using Mural.Layers;

namespace Mural.UNet;

public sealed partial class UNet2DConditionModel
{
    /// <summary>
    /// Spreads the taps of every convolution by a factor, so that the network sees a larger map as it saw the small ones that it was trained on (LinFusion specification 5.2).
    /// </summary>
    /// <param name="factor">At least 1; 1 changes nothing.</param>
    /// <returns>Gives the convolutions their own taps again when disposed.</returns>
    internal IDisposable Dilate(int factor)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(factor, 1);
        Conv2d[] convolutions = [.. modules().OfType<Conv2d>()];
        foreach (Conv2d convolution in convolutions) convolution.Dilation = factor;
        return new Restored(convolutions);
    }

    private sealed class Restored(Conv2d[] convolutions) : IDisposable
    {
        public void Dispose()
        {
            foreach (Conv2d convolution in convolutions) convolution.Dilation = 1;
        }
    }
}
