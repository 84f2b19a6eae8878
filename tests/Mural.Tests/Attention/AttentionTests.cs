using Mural.Attention;
using Mural.Layers;
using Mural.Runtime;
using static Mural.Tests.Autoencoders.TinyAutoencoders;

namespace Mural.Tests.Attention;

public class AttentionTests
{
    public static TheoryData<int> Ways => [.. Enum.GetValues<AttentionWay>().Select(way => (int)way)];

    [Theory, MemberData(nameof(Ways))]
    public void EveryWayIsTheFormula(int number)
    {
        var way = (AttentionWay)number;
        Assert.SkipUnless(way is AttentionWay.Libtorch or AttentionWay.Chunked || FlashAttention.Has(way), "this processor or this libtorch has no such products");
        foreach ((int batch, int queries, int keys, int channels, int heads, double allowed) in
            (ReadOnlySpan<(int, int, int, int, int, double)>)[(1, 1, 1, 8, 1, 1e-6), (2, 5, 3, 12, 3, 1e-6), (3, 33, 77, 40, 8, 1e-6), (1, 300, 9000, 6, 2, 5e-6)])
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator(1);
            Tensor q = randn([batch, queries, channels], generator: generator), k = randn([batch, keys, channels], generator: generator),
                v = randn([batch, keys, channels], generator: generator);
            if (way != AttentionWay.FlashBFloat16)
            {
                Assert.InRange(Distance(SoftmaxAttention.Apply(q, k, v, heads, way), Formula(q, k, v, heads)), 0, allowed);
                Tensor one = SoftmaxAttention.Apply(q, k[..1], v[..1], heads, way);
                Assert.InRange(Distance(one, Formula(q, k[..1].expand_as(k), v[..1].expand_as(v), heads)), 0, allowed);
            }
            Tensor reduced = SoftmaxAttention.Apply(q.to(bfloat16), k.to(bfloat16), v.to(bfloat16), heads, way);
            Assert.Equal(bfloat16, reduced.dtype);
            Assert.InRange(Distance(reduced, Formula(q, k, v, heads)), 0, 1e-2);
        }
    }

    [Theory]
    [InlineData(KernelSet.Mural)]
    [InlineData(KernelSet.Libtorch)]
    public void TheSeamTakesEveryLengthTypeMaskAndGradient(KernelSet kernels)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1);
        foreach (ScalarType type in (ScalarType[])[float32, bfloat16, float64])
            foreach (int tokens in (int[])[0, 1, 77, 200])
                foreach (int keys in (int[])[1, 77, 200])
                {
                    Tensor q = randn([2, tokens, 48], generator: generator), k = randn([2, keys, 48], generator: generator), v = randn([2, keys, 48], generator: generator);
                    Tensor output = SoftmaxAttention.Apply(q.to(type), k.to(type), v.to(type), 3, kernels);
                    Assert.Equal(type, output.dtype);
                    Assert.Equal(q.shape, output.shape);
                    if (tokens > 0) Assert.InRange(Distance(output, Formula(q, k, v, 3)), 0, type == bfloat16 ? 1e-2 : 1e-6);
                }
        Tensor x = randn([1, 90, 48], generator: generator);
        // Nothing to attend to gives nothing.
        Assert.Equal(0, SoftmaxAttention.Apply(x, x[.., ..0], x[.., ..0], 3, kernels).abs().max().item<float>());
        // The first query sees the first key alone.
        Assert.InRange(Distance(SoftmaxAttention.Apply(x, x, x, 3, kernels, causal: true)[.., ..1], x[.., ..1]), 0, 1e-6);
        Tensor leaf = x.clone().requires_grad_();
        SoftmaxAttention.Apply(leaf, leaf, leaf, 3, kernels).square().sum().backward();
        Assert.True(leaf.grad!.abs().max().item<float>() > 0);
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
