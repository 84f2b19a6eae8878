using Mural.Autoencoders;

namespace Mural.Tests.Autoencoders;

/// <summary>Small autoencoders with random weights, and what the tests feed them.</summary>
internal static class TinyAutoencoders
{
    internal static readonly AutoencoderConfig KLConfig = new() { BlockOutChannels = [8, 16, 16], LayersPerBlock = 1, NormGroupCount = 4, SampleSize = 32 };

    internal static readonly AutoencoderTinyConfig TinyConfig = new() { EncoderChannels = 8, DecoderChannels = 8, EncoderBlocks = [1, 1, 2], DecoderBlocks = [2, 1, 1] };

    internal static AutoencoderKL KL(AutoencoderConfig? config = null)
    {
        manual_seed(5);
        return new AutoencoderKL(config ?? KLConfig);
    }

    internal static AutoencoderTiny Tiny(AutoencoderTinyConfig? config = null)
    {
        manual_seed(5);
        return new AutoencoderTiny(config ?? TinyConfig);
    }

    /// <summary>Two pictures of noise, <c>[2, 3, H, W]</c>, from -1 to 1.</summary>
    internal static Tensor Pictures(int height, int width)
    {
        using var generator = new Generator(0);
        using Tensor unit = rand([2, 3, height, width], generator: generator);
        return unit * 2 - 1;
    }

    /// <summary>Two latents of normal noise, <c>[2, 4, h, w]</c>.</summary>
    internal static Tensor Latents(int height, int width)
    {
        using var generator = new Generator(1);
        return randn([2, 4, height, width], generator: generator);
    }

    /// <summary>The picture whose strips come one after the other, from top to bottom.</summary>
    /// <param name="decode">Hands out rows, given the first of them.</param>
    internal static Tensor Joined(Action<Action<long, Tensor>> decode)
    {
        var strips = new List<Tensor>();
        long next = 0;
        decode((first, rows) =>
        {
            Assert.Equal(next, first);
            next += rows.shape[2];
            strips.Add(rows.clone().DetachFromDisposeScope());
        });
        Tensor picture = cat(strips, 2);
        foreach (Tensor strip in strips) strip.Dispose();
        return picture;
    }

    internal static double Distance(Tensor actual, Tensor expected)
    {
        using var scope = NewDisposeScope();
        Assert.Equal(expected.shape, actual.shape);
        return ((actual.to(float64) - expected.to(float64)).norm() / expected.to(float64).norm()).item<double>();
    }

    /// <summary>Names of weights that inference holds in another form; norms keep theirs.</summary>
    internal static IEnumerable<string> UnfrozenWeights(nn.Module module) => module.named_parameters().Where(entry => entry.parameter.dim() > 1).Select(entry => entry.name);

    /// <summary>Messages for users are one sentence.</summary>
    internal static void AssertOneSentence(string message)
    {
        Assert.EndsWith(".", message, StringComparison.Ordinal);
        Assert.DoesNotContain(". ", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }
}
