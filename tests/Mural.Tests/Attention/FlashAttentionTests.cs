using Mural.Attention;
using Mural.Runtime;
using static Mural.Tests.Autoencoders.TinyAutoencoders;

namespace Mural.Tests.Attention;

public class FlashAttentionTests
{
    public static TheoryData<int, int, int, int, int> Shapes => new()
    {
        // batch, tokens, keys, heads, size of a head: blocks are of 64 tokens and 512 keys.
        { 1, 1, 1, 1, 2 },
        { 2, 63, 77, 8, 40 },
        { 1, 64, 512, 2, 64 },
        { 3, 65, 513, 3, 6 },
        { 1, 200, 1101, 2, 80 },
        { 2, 130, 130, 2, 160 },
        { 1, 70, 600, 1, 512 },
        { 1, 5, 1024, 5, 8 },
    };

    [Theory, MemberData(nameof(Shapes))]
    public void EqualsTheOperator(int batch, int tokens, int keys, int heads, int size)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1);
        Tensor Normal(int rows) => (randn([batch, rows, heads * size], generator: generator) * 2).to(bfloat16);
        Tensor q = Normal(tokens), k = Normal(keys), v = Normal(keys);
        SkipUnlessServed(q, k, v, heads);
        Compare(q, k, v, heads);
        Compare(q, k[..1], v[..1], heads);
    }

    [Fact]
    public void ReadsPartsOfAJoinedProjection()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1);
        Tensor[] parts = randn([2, 100, 3 * 48], generator: generator).to(bfloat16).chunk(3, -1);
        SkipUnlessServed(parts[0], parts[1], parts[2], 2);
        Compare(parts[0], parts[1], parts[2], 2);
        Compare(parts[0].transpose(0, 1).contiguous().transpose(0, 1), parts[1], parts[2], 2);
    }

    [Fact]
    public void LargeScoresNeitherOverflowNorVanish()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1);
        // The largest scores lie in the last block, far above what came before.
        Tensor k = randn([1, 1100, 32], generator: generator) * linspace(1, 200, 1100).view(1, -1, 1);
        Tensor q = (randn([1, 70, 32], generator: generator) * 10).to(bfloat16), v = randn([1, 1100, 32], generator: generator).to(bfloat16);
        SkipUnlessServed(q, k.to(bfloat16), v, 2);
        Compare(q, k.to(bfloat16), v, 2);
    }

    [Fact]
    public void OtherTypesAndGradientsAreLeftToTheOperator()
    {
        using var scope = NewDisposeScope();
        Tensor x = ones(1, 4, 6, dtype: bfloat16), f = x.to(float32);
        Assert.False(FlashAttention.Serves(f, f, f, 1));
        Assert.False(FlashAttention.Serves(x, x, x, 2));
        Tensor leaf = x.detach().requires_grad_(true);
        Assert.False(FlashAttention.Serves(leaf, x, x, 1));
        Tensor output = SoftmaxAttention.Apply(leaf, x, x, 1, KernelSet.Mural);
        output.sum().backward();
        Assert.NotNull(leaf.grad);
    }

    [Fact]
    public void NothingLeaks()
    {
        using var scope = NewDisposeScope();
        Tensor x = ones(1, 70, 16, dtype: bfloat16);
        SkipUnlessServed(x, x, x, 2);
        FlashAttention.Apply(x, x, x, 2).Dispose();
        LiveTensors.AssertFlat(() => FlashAttention.Apply(x, x, x, 2).Dispose());
    }

    private static void SkipUnlessServed(Tensor q, Tensor k, Tensor v, int heads) =>
        Assert.SkipUnless(FlashAttention.Serves(q, k, v, heads), "this processor or this libtorch has no bf16 products");

    private static void Compare(Tensor q, Tensor k, Tensor v, int heads)
    {
        Tensor ours = FlashAttention.Apply(q, k, v, heads), exact = SoftmaxAttention.Apply(q.to(float64), k.to(float64), v.to(float64), heads, KernelSet.Libtorch);
        Assert.Equal(exact.shape, ours.shape);
        Assert.InRange(Distance(ours.to(float64), exact), 0, 2e-2);
    }
}
