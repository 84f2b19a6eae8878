using Mural.Training;

namespace Mural.Tests.Training;

public sealed class PictureAugmentationTests
{
    private static readonly AugmentationConfig Nothing = new() { Shift = 0, Scale = 0, Colour = 0, Blur = 0, Noise = 0 };

    [Fact]
    public void WithoutAnyReachPicturesStayAsTheyAre()
    {
        using var scope = NewDisposeScope();
        Tensor pictures = Pictures();
        Assert.True(Apply(pictures, Nothing).allclose(pictures, rtol: 0, atol: 1e-5));
    }

    [Fact]
    public void EveryPictureIsChangedByADrawOfItsOwnWhichTheSeedRepeats()
    {
        using var scope = NewDisposeScope();
        Tensor pictures = Pictures().narrow(0, 0, 1).expand(2, 3, 16, 16), changed = Apply(pictures, new AugmentationConfig());
        Assert.Equal(pictures.shape, changed.shape);
        Assert.True((changed[0] - changed[1]).abs().max().item<float>() > 0.05f);
        Assert.True(changed.abs().max().item<float>() <= 1);
        Assert.True(changed.equal(Apply(pictures, new AugmentationConfig())).all().item<bool>());
    }

    [Fact]
    public void AShiftMovesNoFurtherThanItSaysAndContinuesTheBorder()
    {
        using var scope = NewDisposeScope();
        // White with one black column in the middle: its place is where the change is seen.
        Tensor pictures = ones(64, 1, 32, 32);
        pictures.narrow(3, 16, 1).fill_(-1);
        Tensor darkest = Apply(pictures, Nothing with { Shift = 0.25 }).argmin(3).to(float32);
        Assert.InRange(darkest.min().item<float>(), 8, 12);
        Assert.InRange(darkest.max().item<float>(), 20, 24);
        Assert.True(Apply(ones(8, 1, 8, 8), Nothing with { Shift = 0.5, Scale = 0.5 }).allclose(ones(8, 1, 8, 8), rtol: 0, atol: 1e-5));
    }

    [Fact]
    public void ABlurKeepsTheMeanAndLessensTheContrast()
    {
        using var scope = NewDisposeScope();
        Tensor pictures = Pictures(), blurred = Apply(pictures, Nothing with { Blur = 1 });
        Assert.True((blurred.diff(dim: 3).abs().mean() < pictures.diff(dim: 3).abs().mean()).item<bool>());
        Assert.Equal(pictures.mean().item<float>(), blurred.mean().item<float>(), 0.02);
    }

    [Fact]
    public void NothingStaysBehind()
    {
        using var generator = new Generator(1);
        using Tensor pictures = Pictures();
        LiveTensors.AssertFlat(() => PictureAugmentation.Apply(pictures, new AugmentationConfig(), generator).Dispose());
    }

    private static Tensor Apply(Tensor pictures, AugmentationConfig config)
    {
        using var generator = new Generator(7);
        return PictureAugmentation.Apply(pictures, config, generator);
    }

    private static Tensor Pictures()
    {
        using var generator = new Generator(5);
        using Tensor drawn = rand([4, 3, 16, 16], generator: generator);
        return drawn - 0.5f;
    }
}
