using Mural.Attention;
using Mural.Layers;
using Mural.LinFusion;
using static Mural.Tests.LinFusion.LinFusionGoldens;

namespace Mural.Tests.LinFusion;

public class LinearAttentionTests
{
    private static readonly MapSize Map = new(1, 1);

    // The specification's worked example (9.2), computed by hand.
    [Fact]
    public void IsItsFormula()
    {
        using var scope = NewDisposeScope();
        Tensor q = Rows([0, 0], [1, -1], [-2, 2]), k = Rows([0.5, 0], [0, -0.5], [1, 1]), v = Rows([1, 0], [0, 1], [2, -1]);
        Tensor expected = Rows([1.29520406, -0.29524107], [1.24327608, -0.24330513], [1.37759041, -0.37761666]);
        Tensor sums = LinearKernel.Sums(k, v, 1);
        Assert.InRange((LinearKernel.Attend(q, sums / 3) - expected).abs().max().item<double>(), 0, 1e-8);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void TheFeatureMapIsPositiveAndSlopesAsItsDerivative(ScalarType type)
    {
        using var scope = NewDisposeScope();
        float[] points = [-20, -5, -1, 0, 1, 7];
        Tensor t = tensor(points).to(type), features = PositiveFeatures.Apply(t), slope = PositiveFeatures.Slope(t);
        double[] expected = [.. points.Select(x => x > 0 ? x + 1 : Math.Exp(x))];
        for (int i = 0; i < points.Length; i++)
        {
            Assert.InRange(features[i].item<float>() - expected[i], -1.2e-7 * Math.Max(1, expected[i]), 1.2e-7 * Math.Max(1, expected[i]));
            Assert.InRange(slope[i].item<float>() - Math.Min(expected[i], 1), -1.2e-7, 1.2e-7);
        }
        // Reduced precision keeps what the official two steps round to nothing.
        if (type == ScalarType.BFloat16) Assert.InRange(features[0].item<float>(), 2.0e-9, 2.1e-9);
        else Assert.Equal(0, features[0].item<float>());
    }

    [Theory]
    [InlineData(5, 6, 2, 4, TokenChunks.Size)]
    [InlineData(3, 8, 1, null, TokenChunks.Size)]
    [InlineData(7, 6, 2, 4, 3L)]
    public void GradientsAreFiniteDifferences(int tokens, int channels, int heads, int? mlp, long chunk)
    {
        using LinearAttention module = Module(channels, heads, mlp, float64, chunk);
        GradientCheck.AssertGradients(module, 2, tokens, channels);
    }

    // The fused pass has no way back.
    [Fact]
    public void GradientsOfTheMeansAreNotLost()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(4);
        Tensor queries = randn([1, 5, 8], generator: generator), means = rand([1, 2, 4, 5], generator: generator).requires_grad_();
        LinearKernel.Attend(queries, means).sum().backward();
        Assert.NotEqual(0, means.grad!.abs().max().item<float>());
    }

    // More tokens than a chunk holds: with and without recording, forward and backward, and against all at once in float64.
    [Fact]
    public void ChunksChangeNothing()
    {
        using var scope = NewDisposeScope();
        using LinearAttention module = Module(8, 2, 4, float32), wide = Module(8, 2, 4, float64);
        long tokens = 2 * TokenChunks.Size + 37;
        using var generator = new Generator(4);
        Tensor x = randn([2, tokens, 8], generator: generator), upstream = randn([2, tokens, 8], generator: generator);
        Tensor chunked;
        using (no_grad()) chunked = module.Forward(x, Map);
        (Tensor whole, Tensor expected) = AtOnce(wide, x, upstream);
        Assert.InRange(Distance(chunked, whole), 0, 1e-6);
        x.requires_grad = true;
        Tensor recorded = module.Forward(x, Map);
        Assert.InRange(Distance(recorded.detach(), whole), 0, 1e-6);
        recorded.backward([upstream]);
        Assert.InRange(Distance(x.grad!, expected), 0, 1e-5);
    }

    // Means do not depend on the number of tokens: what makes one set of weights work at every size.
    [Fact]
    public void RepeatedTokensGiveRepeatedResults()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using LinearAttention module = Module(12, 3, 5, float64);
        using var generator = new Generator(4);
        Tensor x = randn([1, 9, 12], dtype: float64, generator: generator), y = module.Forward(x, Map);
        Assert.InRange(Distance(module.Forward(x.repeat(1, 4, 1), Map), y.repeat(1, 4, 1)), 0, 1e-12);
        Tensor one = x.narrow(1, 0, 1);
        Assert.InRange(Distance(module.Forward(one.expand(1, 64, 12), Map), module.Forward(one, Map).expand(1, 64, 12)), 0, 1e-12);
    }

    [Fact]
    public void OrderDoesNotCountAndEveryTokenDoes()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using LinearAttention module = Module(12, 3, 5, float64);
        using var generator = new Generator(4);
        Tensor x = randn([2, 9, 12], dtype: float64, generator: generator), y = module.Forward(x, Map);
        Assert.InRange(Distance(module.Forward(x.flip(1), Map), y.flip(1)), 0, 1e-12);
        Tensor changed = x.clone();
        changed[0, 8].mul_(2);
        Tensor z = module.Forward(changed, Map);
        Assert.NotEqual(0, (z[0, 0] - y[0, 0]).abs().max().item<double>());
        Assert.Equal(0, (z[1] - y[1]).abs().max().item<double>());
    }

    // The matrix of all tokens by all tokens, which the kernel never makes.
    [Fact]
    public void IsAttentionWithPositiveWeightsThatSumToAlmostOne()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(4);
        const int Tokens = 11, Heads = 2, Width = 3;
        Tensor Normal() => randn([1, Tokens, Heads * Width], dtype: float64, generator: generator);
        Tensor q = Normal(), k = Normal(), v = Normal(), output = LinearKernel.Attend(q, LinearKernel.Sums(k, v, Heads) / Tokens);
        for (int head = 0; head < Heads; head++)
        {
            Tensor Of(Tensor tokens) => tokens[0].narrow(1, head * Width, Width);
            Tensor products = PositiveFeatures.Apply(Of(q)).matmul(PositiveFeatures.Apply(Of(k)).transpose(0, 1)) / Tokens;
            Tensor attention = products / (products.sum(-1, keepdim: true) + 1e-4);
            Assert.InRange(Distance(Of(output), attention.matmul(Of(v))), 0, 1e-12);
            Assert.True((attention.sum(-1) < 1).all().item<bool>());
        }
    }

    [Fact]
    public void NothingIsLeftBehind()
    {
        using LinearAttention module = Module(8, 2, 4, float32);
        using Tensor x = zeros(2, 2 * TokenChunks.Size, 8);
        LiveTensors.AssertFlat(() =>
        {
            using (no_grad()) module.Forward(x, Map).Dispose();
        });
    }

    internal static LinearAttention Module(int channels, int heads, int? mlp, ScalarType type, long chunk = TokenChunks.Size)
    {
        manual_seed(6);
        return (LinearAttention)new LinearAttention(channels, heads, mlp, new LayerFactory(float32, Initialize: true)) { ChunkSize = chunk }.to(type);
    }

    private static (Tensor Output, Tensor Gradient) AtOnce(LinearAttention module, Tensor tokens, Tensor upstream)
    {
        Tensor x = tokens.detach().to(float64).requires_grad_();
        Dictionary<string, TorchSharp.Modules.Parameter> weights = module.named_parameters().ToDictionary(entry => entry.name, entry => entry.parameter);
        Tensor Projected(string name)
        {
            Tensor hidden = nn.functional.linear(x, weights[$"{name}_.0.weight"], weights[$"{name}_.0.bias"]);
            hidden = nn.functional.layer_norm(hidden, [hidden.shape[2]], weights[$"{name}_.1.weight"], weights[$"{name}_.1.bias"]);
            hidden = nn.functional.linear(nn.functional.leaky_relu(hidden), weights[$"{name}_.3.weight"], weights[$"{name}_.3.bias"]);
            return nn.functional.elu(nn.functional.linear(x + hidden, weights[$"{name}.weight"]), 1) + 1;
        }
        Tensor ByHead(Tensor all) => all.unflatten(2, module.Heads, all.shape[2] / module.Heads).transpose(1, 2);
        Tensor q = ByHead(Projected("to_q")), k = ByHead(Projected("to_k")), v = ByHead(nn.functional.linear(x, weights["to_v.weight"]));
        Tensor mixed = q.matmul(k.transpose(-2, -1).matmul(v) / x.shape[1]) / (q.matmul(k.mean([2], keepdim: true).transpose(-2, -1)) + 1e-4);
        Tensor output = nn.functional.linear(mixed.transpose(1, 2).flatten(2), weights["to_out.0.weight"], weights["to_out.0.bias"]);
        output.backward([upstream.to(float64)]);
        return (output.detach(), x.grad!);
    }

    private static Tensor Rows(params double[][] rows) => stack(rows.Select(row => tensor(row))).unsqueeze(0);
}
