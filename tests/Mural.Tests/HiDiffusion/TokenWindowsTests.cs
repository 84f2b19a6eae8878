using Mural.Attention;
using Mural.HiDiffusion;
using Mural.Layers;

namespace Mural.Tests.HiDiffusion;

/// <summary>Windows of maps of any size, which the official code resizes or refuses.</summary>
[Trait("Area", HiDiffusionGoldens.Area)]
public class TokenWindowsTests
{
    [Fact]
    public void TokensOfAnySizeAreOnlyMoved()
    {
        using var scope = NewDisposeScope();
        for (int height = 1; height <= 19; height += height < 10 ? 1 : 3)
            for (int width = 1; width <= 21; width += width < 10 ? 1 : 4)
                for (int shift = 0; shift < 4; shift++)
                {
                    using var each = NewDisposeScope();
                    Tensor tokens = arange(2 * height * width, float32).reshape(2, height * width, 1);
                    var windows = new TokenWindows(new MapSize(height, width), [shift]);
                    Tensor[] cut = windows.Cut(tokens);
                    Assert.Equal(height * width, windows.Sizes.Sum(size => size.Height * size.Width));
                    Assert.Equal(Enumerable.Range(0, 2 * height * width).Select(i => (float)i), cut.SelectMany(window => window.data<float>().ToArray()).Order());
                    Assert.True(windows.Join(cut).equal(tokens).all().item<bool>());
                }
    }

    // Attention with a mask is the plain formula of attention in windows.
    [Theory]
    [InlineData(7, 9, 0)]
    [InlineData(9, 8, 1)]
    [InlineData(8, 10, 2)]
    [InlineData(17, 13, 3)]
    [InlineData(1, 6, 1)]
    [InlineData(3, 12, 2)]
    public void TokensAttendToTheirWindowAndNothingElse(int height, int width, int shift)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        manual_seed(3);
        const int Channels = 16, Heads = 2;
        using var attention = new SelfAttention(Channels, Heads, new LayerFactory(float32, Initialize: true));
        Tensor tokens = randn(2, height * width, Channels);
        int halfHeight = (height + 1) / 2, halfWidth = (width + 1) / 2, down = shift * (halfHeight / 4), right = halfHeight / 4 == 0 ? 0 : shift * (halfWidth / 4);
        long[] window = [.. from y in Enumerable.Range(0, height) from x in Enumerable.Range(0, width)
            select (long)((y - down + height) % height / halfHeight * 2 + (x - right + width) % width / halfWidth)];
        Tensor ids = tensor(window), allowed = ids.unsqueeze(0).eq(ids.unsqueeze(1));
        Tensor Project(string name) => nn.functional.linear(tokens, attention.get_parameter(name)!).view(2, -1, Heads, Channels / Heads).transpose(1, 2);
        Tensor attended = nn.functional.scaled_dot_product_attention(Project("to_q.weight"), Project("to_k.weight"), Project("to_v.weight"), allowed);
        Tensor expected = nn.functional.linear(
            attended.transpose(1, 2).reshape(2, -1, Channels), attention.get_parameter("to_out.0.weight")!, attention.get_parameter("to_out.0.bias"));
        Tensor found = WindowAttention.Forward(attention, tokens, new MapSize(height, width), [shift], resizesOddMaps: false);
        Assert.True((found - expected).abs().max().item<float>() < 1e-5);
    }

    [Theory]
    [InlineData(16, 12)]
    [InlineData(17, 12)]
    public void PicturesOfABatchMayHaveShiftsOfTheirOwn(int height, int width)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var attention = new SelfAttention(8, 2, new LayerFactory(float32, Initialize: true));
        var map = new MapSize(height, width);
        // Two pictures, each once for either half of guidance.
        Tensor tokens = randn(4, height * width, 8);
        Tensor together = WindowAttention.Forward(attention, tokens, map, [1, 3], resizesOddMaps: false);
        for (int i = 0; i < 4; i++)
        {
            Tensor alone = WindowAttention.Forward(attention, tokens.narrow(0, i, 1), map, [i % 2 == 0 ? 1 : 3], resizesOddMaps: false);
            Assert.True((together.narrow(0, i, 1) - alone).abs().max().item<float>() < 1e-6);
        }
    }

    [Fact]
    public void AShiftIsNeverTheOneBefore()
    {
        using var shifts = new WindowShifts([1, 2, 3]);
        using var alone = new WindowShifts([2]);
        using var again = new WindowShifts([1, 2, 3]);
        var before = new Dictionary<int, IReadOnlyList<int>>();
        var seen = new HashSet<int>();
        for (int call = 0; call < 200; call++)
            for (int block = 0; block < 5; block++)
            {
                IReadOnlyList<int> next = shifts.Next(block);
                Assert.Equal(next, again.Next(block));
                Assert.Equal(next[1], alone.Next(block)[0]);
                if (before.TryGetValue(block, out IReadOnlyList<int>? last)) Assert.DoesNotContain(true, last.Zip(next, (one, other) => one == other));
                before[block] = next;
                seen.UnionWith(next);
            }
        Assert.Equal([0, 1, 2, 3], seen.Order());
    }

    [Fact]
    public void NothingIsLeftBehind()
    {
        using var attention = new SelfAttention(8, 2, new LayerFactory(float32, Initialize: true));
        using Tensor tokens = randn(2, 9 * 7, 8);
        using var quiet = no_grad();
        LiveTensors.AssertFlat(() =>
        {
            foreach (bool resizes in (bool[])[false, true])
                WindowAttention.Forward(attention, tokens, new MapSize(9, 7), [3], resizes).Dispose();
        });
    }
}
