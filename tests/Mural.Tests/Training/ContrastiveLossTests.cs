using Mural.Training;

namespace Mural.Tests.Training;

public sealed class ContrastiveLossTests
{
    [Fact]
    public void ItIsTheMeanOfBothCrossEntropies()
    {
        using var scope = NewDisposeScope();
        // Cosines [[1, 0], [0.6, 0.8]] times 2.
        Tensor pictures = tensor(new[] { 1f, 0, 0.6f, 0.8f }).view(2, 2), words = eye(2);
        double rows = (Surprise(2, 2, 0) + Surprise(1.6, 1.2, 1.6)) / 2, columns = (Surprise(2, 2, 1.2) + Surprise(1.6, 0, 1.6)) / 2;
        Tensor loss = ContrastiveLoss.Of(pictures, words, tensor(2f), tensor(new long[] { 5, 9 }));
        Assert.Equal((rows + columns) / 2, loss.item<float>(), 1e-6);
    }

    [Fact]
    public void TheSameWordsAreRightForEachOthersPictures()
    {
        using var scope = NewDisposeScope();
        Tensor pictures = tensor(new[] { 1f, 0, 1, 0, 0, 1 }).view(3, 2), words = pictures.clone();
        // Rows of two right answers miss each by half of the probability: the loss cannot fall below ln 2 there.
        double pair = Math.Log(2 * Math.Exp(3) + 1) - 3, single = Math.Log(Math.Exp(3) + 2) - 3;
        Tensor loss = ContrastiveLoss.Of(pictures, words, tensor(3f), tensor(new long[] { 4, 4, 1 }));
        Assert.Equal((2 * pair + single) / 3, loss.item<float>(), 1e-6);
    }

    [Fact]
    public void GradientsReachBothSidesAndTheScaleAndNothingStaysBehind()
    {
        using Tensor pictures = tensor(new[] { 1f, 0, 0.6f, 0.8f }).view(2, 2).requires_grad_(), words = eye(2).requires_grad_(), scale = tensor(2f, requires_grad: true);
        using Tensor captions = tensor(new long[] { 0, 1 });
        using (Tensor loss = ContrastiveLoss.Of(pictures, words, scale, captions)) loss.backward();
        foreach (Tensor leaf in new[] { pictures, words, scale })
        {
            using Tensor gradient = leaf.grad!;
            using Tensor size = gradient.abs().sum();
            Assert.True(size.item<float>() > 0);
        }
        LiveTensors.AssertFlat(() => ContrastiveLoss.Of(pictures, words, scale, captions).Dispose());
    }

    // -ln of the softmax of 'own' over the two logits.
    private static double Surprise(double own, double first, double second) => Math.Log(Math.Exp(first) + Math.Exp(second)) - own;
}
