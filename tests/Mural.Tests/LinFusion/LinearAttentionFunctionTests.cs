using Mural.Attention;
using Mural.Layers;
using Mural.LinFusion;
using Mural.Runtime;
using static Mural.Tests.LinFusion.LinFusionGoldens;

namespace Mural.Tests.LinFusion;

/// <summary>Attention that is differentiated chunk by chunk, against the one that keeps queries, keys and values for the backward pass.</summary>
public class LinearAttentionFunctionTests
{
    private const int Channels = 8, Heads = 2;

    private static readonly MapSize Map = new(1, 1);

    // Chunks that divide the tokens and that do not, a single token, chunks of one token, a chunk larger than all; with perceptrons and without.
    [Theory]
    [InlineData(2, 11, 4, 4)]
    [InlineData(1, 12, 4, 4)]
    [InlineData(2, 1, 4, 4)]
    [InlineData(2, 7, 1, 4)]
    [InlineData(3, 5, 64, null)]
    [InlineData(1, 9, 2, null)]
    public void ResultAndGradientsAreThoseOfTheKeptForm(int batch, int tokens, int chunk, int? mlp)
    {
        using var scope = NewDisposeScope();
        (Tensor x, Tensor upstream) = Inputs(batch, tokens, Channels, float64);
        Dictionary<string, Tensor> kept = Run(Module(float64, mlp: mlp), Kept, x, upstream), walked = Run(Module(float64, chunk, mlp), LinearAttentionFunction.Apply, x, upstream);
        AssertSameNames(kept, walked);
        Assert.All(kept, entry => Assert.True(Distance(walked[entry.Key], entry.Value) < 1e-9, entry.Key));
    }

    // Sums over chunks are float32 whatever the run's type: the walk is no farther from the exact gradients than the kept form.
    [Theory]
    [InlineData(ScalarType.Float32, 1e-5)]
    [InlineData(ScalarType.BFloat16, 5e-3)]
    public void ChunksCostNoPrecision(ScalarType type, double slack)
    {
        using var scope = NewDisposeScope();
        (Tensor x, Tensor upstream) = Inputs(2, 301, Channels, type);
        Dictionary<string, Tensor> exact = Run(Module(float64), Kept, x.to(float64), upstream.to(float64));
        Dictionary<string, Tensor> kept = Run(Module(float32), Kept, x, upstream), walked = Run(Module(float32, 64), LinearAttentionFunction.Apply, x, upstream);
        Assert.Equal(type, walked["output"].dtype);
        Assert.Equal(type, walked["x"].dtype);
        AssertSameNames(exact, walked);
        Assert.All(exact, entry => Assert.InRange(Distance(walked[entry.Key], entry.Value), 0, 2 * Distance(kept[entry.Key], entry.Value) + slack));
    }

    // Weights are told by the start of their names, the tokens are x. Float32, where hand-written kernels run as soon as nothing is recorded.
    [Theory]
    [InlineData("x")]
    [InlineData("to_q")]
    [InlineData("to_k")]
    [InlineData("to_v")]
    [InlineData("to_out")]
    public void OnlyWhatIsTrainedGetsGradients(string trained)
    {
        using var scope = NewDisposeScope();
        (Tensor x, Tensor upstream) = Inputs(2, 11, Channels, float32);
        Dictionary<string, Tensor> kept = Run(Module(float32), Kept, x, upstream, trained), walked = Run(Module(float32, 4), LinearAttentionFunction.Apply, x, upstream, trained);
        AssertSameNames(kept, walked);
        Assert.All(walked.Keys.Where(name => name != "output"), name => Assert.StartsWith(trained, name, StringComparison.Ordinal));
        Assert.True(walked.Count > 1);
        Assert.All(kept, entry => Assert.True(Distance(walked[entry.Key], entry.Value) < 1e-3, entry.Key));
    }

    [Fact]
    public void WithoutAnythingToTrainNothingIsRecorded()
    {
        using var scope = NewDisposeScope();
        (Tensor x, _) = Inputs(2, 11, Channels, float32);
        using LinearAttention module = Module(float32, 4), whole = Module(float32);
        foreach (TorchSharp.Modules.Parameter parameter in module.parameters()) parameter.requires_grad = false;
        Tensor output = module.Forward(x, Map);
        Assert.False(output.requires_grad);
        Assert.InRange(Distance(output, Kept(whole, x).detach()), 0, 1e-6);
    }

    [Fact]
    public void NoTokensGiveNothing()
    {
        using var scope = NewDisposeScope();
        (Tensor x, Tensor upstream) = Inputs(2, 0, Channels, float64);
        Dictionary<string, Tensor> walked = Run(Module(float64, 4), LinearAttentionFunction.Apply, x, upstream);
        Assert.Equal(x.shape, walked["output"].shape);
        Assert.All(walked.Values, found => Assert.Equal(0, found.abs().sum().item<double>()));
    }

    // A backward pass within the backward pass of the part of a network that is computed once more.
    [Fact]
    public void CanBeAPartThatIsRecomputed()
    {
        using var scope = NewDisposeScope();
        (Tensor x, Tensor upstream) = Inputs(2, 11, Channels, float64);
        Tensor Recomputed(LinearAttention module, Tensor tokens) => GradientCheckpoint.Run(inputs => module.Forward(inputs[0], Map), [tokens], module.parameters());
        Dictionary<string, Tensor> kept = Run(Module(float64), Kept, x, upstream), walked = Run(Module(float64, 4), Recomputed, x, upstream);
        AssertSameNames(kept, walked);
        Assert.All(kept, entry => Assert.True(Distance(walked[entry.Key], entry.Value) < 1e-9, entry.Key));
    }

    [Fact]
    public void NothingIsLeftBehind()
    {
        using LinearAttention module = Module(float32, 64);
        LiveTensors.AssertFlat(() =>
        {
            using var scope = NewDisposeScope();
            (Tensor x, Tensor upstream) = Inputs(2, 200, Channels, float32);
            x.requires_grad = true;
            module.Forward(x, Map).backward([upstream]);
        });
    }

    // Kept, there are a dozen tensors of the size of the tokens from the forward pass to the backward pass; walked, there are the result, the gradient and the copies that are
    // handed over.
    [Fact]
    public void MemoryIsThatOfAChunk()
    {
        Assert.SkipUnless(SystemMemory.ResetPeak(), "Only Linux tells the peak of a stretch of time.");
        using var scope = NewDisposeScope();
        const int Tokens = 131072, Wide = 64;
        (Tensor x, Tensor upstream) = Inputs(1, Tokens, Wide, float32);
        long Growth(long chunk)
        {
            using LinearAttention module = LinearAttentionTests.Module(Wide, Heads, Wide, float32, chunk);
            long Step(long count)
            {
                using var step = NewDisposeScope();
                Allocator.Trim();
                SystemMemory.ResetPeak();
                long before = SystemMemory.Read().Resident;
                Tensor tokens = x.narrow(1, 0, count).detach().requires_grad_();
                module.Forward(tokens, Map).backward([upstream.narrow(1, 0, count)]);
                return SystemMemory.Read().Peak - before;
            }
            // What is compiled and laid out once comes first.
            Step(TokenChunks.Size);
            return Step(Tokens);
        }
        long size = x.numel() * sizeof(float);
        Assert.InRange(Growth(1024), long.MinValue, 6 * size);
        // The measure sees what is kept.
        Assert.InRange(Growth(long.MaxValue), 8 * size, long.MaxValue);
    }

    private static LinearAttention Module(ScalarType type, long chunk = TokenChunks.Size, int? mlp = 4) => LinearAttentionTests.Module(Channels, Heads, mlp, type, chunk);

    private static (Tensor Tokens, Tensor Upstream) Inputs(int batch, int tokens, int channels, ScalarType type)
    {
        using var generator = new Generator(4);
        Tensor Normal() => randn([batch, tokens, channels], generator: generator).to(type);
        return (Normal(), Normal());
    }

    // Fewer tokens than a chunk.
    private static Tensor Kept(LinearAttention module, Tensor tokens) => module.Forward(tokens, Map);

    // The result and, by their names, all gradients. What is trained is told by the start of its name.
    private static Dictionary<string, Tensor> Run(LinearAttention attention, Func<LinearAttention, Tensor, Tensor> forward, Tensor tokens, Tensor upstream, string trained = "")
    {
        using LinearAttention module = attention;
        bool IsTrained(string name) => name.StartsWith(trained, StringComparison.Ordinal);
        foreach ((string name, TorchSharp.Modules.Parameter parameter) in module.named_parameters()) parameter.requires_grad = IsTrained(name);
        Tensor x = tokens.detach().requires_grad_(IsTrained("x")), output = forward(module, x);
        output.backward([upstream]);
        Dictionary<string, Tensor> found = new() { ["output"] = output.detach() };
        foreach ((string name, Tensor value) in module.named_parameters().Select(entry => (entry.name, (Tensor)entry.parameter)).Append(("x", x)))
            if (value.grad is { } gradient) found.Add(name, gradient);
        return found;
    }

    private static void AssertSameNames(Dictionary<string, Tensor> expected, Dictionary<string, Tensor> found) =>
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), found.Keys.Order(StringComparer.Ordinal));
}
