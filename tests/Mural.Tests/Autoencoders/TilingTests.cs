using Mural.Autoencoders;
using static Mural.Tests.Autoencoders.TinyAutoencoders;

namespace Mural.Tests.Autoencoders;

/// <summary>What the goldens of tiling leave open: edges, options, gradients.</summary>
[Trait("Area", "vae")]
public class TilingTests
{
    private static readonly TileOptions Tiles = new(16);

    [Fact]
    public void PictureWithinOneTileIsNotCut()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using AutoencoderKL vae = KL();
        Assert.True(vae.EncodeMoments(Pictures(16, 13)).equal(vae.EncodeMoments(Pictures(16, 13), Tiles)).all().item<bool>());
        Assert.True(vae.Decode(Latents(4, 3)).equal(vae.Decode(Latents(4, 3), Tiles)).all().item<bool>());
    }

    // Tiles start every 12 pixels: in a picture of 26 the last one has 2, too few for a latent position of 4.
    [Theory]
    [InlineData(26, 38)]
    [InlineData(17, 16)]
    [InlineData(16, 27)]
    [InlineData(75, 43)]
    public void AnySideHasItsSize(int height, int width)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using AutoencoderKL vae = KL();
        Tensor moments = vae.EncodeMoments(Pictures(height, width), Tiles);
        Assert.Equal([2, 8, height / 4, width / 4], moments.shape);
        Assert.Equal([2, 3, height / 4 * 4, width / 4 * 4], vae.Decode(moments.narrow(1, 0, 4), Tiles).shape);
    }

    // Norms and attention see one tile only, so that tiles of a network without them must give the whole picture, away from the tiles' own edges.
    [Fact]
    public void TinyTilesFollowTheWholePicture()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using AutoencoderTiny vae = Tiny();
        Tensor latent = Latents(11, 15);
        Assert.InRange(Distance(vae.Decode(latent, new TileOptions(32, 0.5)), vae.Decode(latent)), 1e-6, 0.2);
        Assert.InRange(Distance(vae.Encode(Pictures(44, 60), new TileOptions(32, 0.5)), vae.Encode(Pictures(44, 60))), 1e-6, 0.2);
    }

    // A blend of one latent position divides by zero in diffusers.
    [Theory]
    [InlineData(0)]
    [InlineData(0.25)]
    [InlineData(0.1)]
    [InlineData(0.9)]
    public void TinyTilesAreFiniteForEveryOverlap(double overlap)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using AutoencoderTiny vae = Tiny();
        var tiles = new TileOptions(16, overlap);
        Tensor latent = vae.Encode(Pictures(36, 28), tiles), decoded = vae.Decode(latent, tiles);
        Assert.Equal([2, 4, 9, 7], latent.shape);
        Assert.Equal([2, 3, 36, 28], decoded.shape);
        Assert.True(latent.isfinite().all().item<bool>() && decoded.isfinite().all().item<bool>());
    }

    [Fact]
    public void GradientsPassThroughTiles()
    {
        using var scope = NewDisposeScope();
        using AutoencoderKL vae = KL();
        using AutoencoderTiny tiny = Tiny();
        foreach (Func<Tensor, Tensor> decode in new Func<Tensor, Tensor>[] { z => vae.Decode(z, Tiles), z => tiny.Decode(z, Tiles) })
        {
            Tensor latent = Latents(7, 9).requires_grad_();
            decode(latent).square().mean().backward();
            // What a tile holds beyond its stride may be dropped, but every position is within the stride of some tile.
            Assert.True((latent.grad!.abs() > 0).all().item<bool>());
        }
    }

    [Theory]
    // Not a multiple of 4; nothing; no step; no share; blends that fall between latent positions.
    [InlineData(18, 0.25)]
    [InlineData(0, 0.25)]
    [InlineData(16, 1)]
    [InlineData(16, -0.1)]
    [InlineData(16, double.NaN)]
    [InlineData(16, 0.3)]
    public void UnsuitableTilesAreExplained(int side, double overlap)
    {
        using var scope = NewDisposeScope();
        using AutoencoderKL vae = KL();
        AssertOneSentence(Assert.Throws<MuralException>(() => vae.Decode(Latents(8, 8), new TileOptions(side, overlap))).Message);
        AssertOneSentence(Assert.Throws<MuralException>(() => vae.Encode(Pictures(32, 32), new TileOptions(side, overlap))).Message);
    }

    [Fact]
    public void TinyTilesThatDoNotSuitAreExplained()
    {
        using var scope = NewDisposeScope();
        using AutoencoderTiny vae = Tiny();
        AssertOneSentence(Assert.Throws<MuralException>(() => vae.Decode(Latents(8, 8), new TileOptions(18))).Message);
        AssertOneSentence(Assert.Throws<MuralException>(() => vae.Encode(Pictures(30, 32), new TileOptions(16))).Message);
    }
}
