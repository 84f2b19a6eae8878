using Mural.Attention;
using Mural.Layers;
using Mural.Runtime;
using static Mural.Tests.Autoencoders.TinyAutoencoders;

namespace Mural.Tests.Attention;

public class AttentionTests
{
    [Theory]
    [InlineData(1, 1, 1, 8, 1)]
    [InlineData(2, 5, 3, 12, 3)]
    [InlineData(3, 33, 77, 40, 8)]
    public void SoftmaxAttentionIsItsFormula(int batch, int queries, int keys, int channels, int heads)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1);
        Tensor q = randn([batch, queries, channels], generator: generator), k = randn([batch, keys, channels], generator: generator), v = randn([batch, keys, channels], generator: generator);
        Assert.InRange(Distance(SoftmaxAttention.Apply(q, k, v, heads, KernelSet.Mural), Formula(q, k, v, heads)), 0, 1e-6);
        Tensor one = SoftmaxAttention.Apply(q, k[..1], v[..1], heads, KernelSet.Mural);
        Assert.InRange(Distance(one, Formula(q, k[..1].expand_as(k), v[..1].expand_as(v), heads)), 0, 1e-6);
        Tensor reduced = SoftmaxAttention.Apply(q.to(bfloat16), k.to(bfloat16), v.to(bfloat16), heads, KernelSet.Mural);
        Assert.Equal(bfloat16, reduced.dtype);
        Assert.InRange(Distance(reduced, Formula(q, k, v, heads)), 0, 1e-2);
    }

    [Fact]
    public void CrossAttentionAddsUpWhatItAttendsTo()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var generator = new Generator(1);
        manual_seed(3);
        using var attention = new CrossAttention(12, 5, 3, new LayerFactory(ScalarType.Float32, Initialize: true));
        Tensor tokens = randn([2, 6, 12], generator: generator);
        KeysAndValues text = attention.Prepare(randn([2, 7, 5], generator: generator));
        KeysAndValues picture = attention.Prepare(randn([2, 4, 5], generator: generator)) with { Weight = 0.6 };
        // The output projection is affine, and its bias starts at zero.
        Tensor sum = attention.Forward(tokens, [text]) + attention.Forward(tokens, [picture]);
        Assert.InRange(Distance(attention.Forward(tokens, [text, picture]), sum), 0, 1e-6);
        Assert.InRange(Distance(attention.Forward(tokens, [picture]), attention.Forward(tokens, [picture with { Weight = 1 }]) * 0.6), 0, 1e-6);
    }

    private static Tensor Formula(Tensor q, Tensor k, Tensor v, int heads)
    {
        int width = (int)q.shape[2] / heads;
        return cat([.. Enumerable.Range(0, heads).Select(head =>
        {
            Tensor Of(Tensor tokens) => tokens.narrow(2, head * width, width).to(float64);
            return (Of(q).matmul(Of(k).transpose(1, 2)) / Math.Sqrt(width)).softmax(-1).matmul(Of(v));
        })], 2);
    }
}
