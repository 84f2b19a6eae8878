using Mural.DiM;
using Mural.Layers;
using Mural.Runtime;
using TorchSharp.Modules;

namespace Mural.Tests.DiM;

public class DiMModelTests
{
    private const double Exact = 1e-4;

    // Spec 10.8: input x[r][s] = cos(0.5 (4 r + s)), t = 500.
    [Theory]
    [InlineData(PadLayout.Lateral, 1, new[]
    {
        1.472657f, -1.757599f, -0.507865f, 0.120716f, 1.134548f, -1.921113f, -0.424513f, -0.861465f, -0.452515f, 0.401456f, -0.372255f, 0.338215f,
        -1.008901f, -0.040956f, -0.969986f, -0.051049f, 1.547750f, -1.699352f, 1.392249f, -1.475594f, 0.949691f, -1.631007f, 0.683533f, -1.353205f,
    })]
    [InlineData(PadLayout.RhoPad, 1, new[]
    {
        1.478906f, -1.760086f, -0.504594f, 0.116487f, 1.132985f, -1.915680f, -0.419813f, -0.866092f, -0.455054f, 0.403384f, -0.373665f, 0.339345f,
        -1.009995f, -0.040824f, -0.970706f, -0.050823f, 1.545817f, -1.695043f, 1.384593f, -1.464871f, 0.943503f, -1.623655f, 0.670981f, -1.340274f,
    })]
    public void NetworkOfTheSpecification(PadLayout layout, int label, float[] expected)
    {
        using var scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using DiMModel model = TinyNetwork.FromSpec(layout);
        Tensor input = (0.5 * arange(24, dtype: float32)).cos().view(1, 1, 6, 4);
        Tensor output = model.Forward(input, tensor(new[] { 500f }), tensor(new[] { (long)label }));
        AssertClose(tensor(expected).view(1, 1, 6, 4), output);
    }

    [Fact]
    public void NetworkOfTheSpecificationWithoutLabel()
    {
        using var scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using DiMModel model = TinyNetwork.FromSpec(PadLayout.Lateral);
        Tensor input = (0.5 * arange(24, dtype: float32)).cos().view(1, 1, 6, 4);
        Tensor omitted = model.Forward(input, tensor(500f));
        AssertClose(tensor(new[] { 1.468825f, -1.739370f, -0.665731f, 0.415566f }), omitted[0, 0, 0]);
        AssertClose(tensor(new[] { 1.058914f, -1.800877f, 0.825621f, -1.527717f }), omitted[0, 0, 5]);
        Assert.True(omitted.equal(model.Forward(input, tensor(500f), tensor(new[] { 3L }))).all().item<bool>());
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 7)]
    [InlineData(7, 1)]
    [InlineData(3, 4)]
    [InlineData(4, 3)]
    [InlineData(16, 16)]
    public void EveryGridWorks(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using DiMModel model = TinyNetwork.Random(TinyNetwork.SmallConfig);
        Tensor input = randn(2, 3, 2 * rows, 2 * columns), output = model.Forward(input, tensor(new[] { 3.5f, 700f }));
        Assert.Equal(input.shape, output.shape);
        Assert.True(output.isfinite().all().item<bool>());
        Assert.Equal(ScalarType.Float32, output.dtype);
    }

    // A transposed picture is not a transposed prediction, but rows must not be taken for columns anywhere: with mixers silenced the trunk is the
    // identity on tokens, so each pixel sees its own 2x2 square and the two 3x3 convolutions around it, and nothing else.
    [Fact]
    public void SilencedTrunkLeavesTokensInPlace()
    {
        using var scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using DiMModel model = TinyNetwork.Random(TinyNetwork.SmallConfig);
        foreach ((string name, Parameter parameter) in model.named_parameters())
        {
            if (name.StartsWith("adaln_single.linear", StringComparison.Ordinal)) parameter.fill_(0);
            if (name.EndsWith("scale_shift_table", StringComparison.Ordinal)) parameter[2].fill_(-1);
            if (name.EndsWith("skip_linear.0.weight", StringComparison.Ordinal)) parameter.copy_(eye(parameter.shape[0]));
            if (name.EndsWith("skip_linear.1.weight", StringComparison.Ordinal) || (name.Contains("skip_linear") && name.EndsWith("bias", StringComparison.Ordinal)))
                parameter.fill_(0);
        }
        Tensor plain = zeros(1, 3, 10, 16), dot = plain.clone();
        dot[0, 1, 3, 13] = 1;
        Tensor before = empty(0), after = empty(0);
        var options = new DiMForwardOptions
        {
            Observe = (place, stream) => (before, after) = (
                place == "sequence" ? stream.clone().DetachFromDisposeScope() : before,
                place == "block4" ? stream.clone().DetachFromDisposeScope() : after)
        };
        Tensor changed = (model.Forward(dot, tensor(10f), options: options) - model.Forward(plain, tensor(10f))).abs().sum([1]);
        using (before)
        using (after) Assert.True(allclose(before, after, atol: 1e-6));

        // Token (1, 6); two convolutions reach two tokens each way.
        Tensor reached = zeros_like(changed).@bool();
        reached[0, 0..8, 8..16] = tensor(true);
        Assert.Equal(0, changed.masked_select(reached.logical_not()).abs().sum().item<float>());
        Assert.NotEqual(0, changed[0, 7, 15].item<float>());
        Assert.NotEqual(0, changed[0, 0, 8].item<float>());
    }

    [Fact]
    public void BatchEqualsItsSamples()
    {
        using var scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using DiMModel model = TinyNetwork.Random(TinyNetwork.SmallConfig);
        Tensor input = randn(2, 3, 6, 10), times = tensor(new[] { 12.25f, 900f }), labels = tensor(new[] { 2L, 6L });
        Tensor together = model.Forward(input, times, labels);
        for (int i = 0; i < 2; i++)
        {
            Tensor alone = model.Forward(input.narrow(0, i, 1), times.narrow(0, i, 1), labels.narrow(0, i, 1));
            Assert.True(allclose(together.narrow(0, i, 1), alone, rtol: 1e-5, atol: 1e-6));
        }
    }

    [Fact]
    public void BothSkipFormsComputeTheSame()
    {
        using var scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using DiMModel two = TinyNetwork.Random(TinyNetwork.SmallConfig);
        using DiMModel one = TinyNetwork.Random(TinyNetwork.SmallConfig with { SkipForm = SkipForm.Concatenated });
        Dictionary<string, Parameter> weights = two.named_parameters().ToDictionary(parameter => parameter.name, parameter => parameter.parameter);
        foreach ((string name, Parameter parameter) in one.named_parameters())
        {
            int split = name.IndexOf("skip_linear.", StringComparison.Ordinal) + "skip_linear.".Length;
            if (!name.Contains("skip_linear")) parameter.copy_(weights[name]);
            else if (name.EndsWith("weight", StringComparison.Ordinal)) parameter.copy_(cat([weights[name[..split] + "0.weight"], weights[name[..split] + "1.weight"]], 1));
            else parameter.copy_(weights[name[..split] + "0.bias"].add_(0.25).add(weights[name[..split] + "1.bias"].add_(-0.5)));
        }
        Tensor input = randn(1, 3, 8, 6);
        Assert.True(allclose(two.Forward(input, tensor(40f)), one.Forward(input, tensor(40f)), rtol: 1e-4, atol: 1e-5));
    }

    [Fact]
    public void UnusableInputsAreRefusedInOneSentence()
    {
        using var scope = NewDisposeScope();
        using DiMModel model = TinyNetwork.Random(TinyNetwork.SmallConfig);
        void Refused(Tensor input, Tensor time, Tensor? labels = null, DiMForwardOptions? options = null, string says = "")
        {
            string message = Assert.Throws<MuralException>(() => model.Forward(input, time, labels, options)).Message;
            Assert.Contains(says, message);
            Assert.EndsWith(".", message);
        }
        Tensor good = randn(2, 3, 8, 8), times = tensor(new[] { 1f, 2f });
        Refused(randn(2, 4, 8, 8), times, says: "[batch, 3, height, width]");
        Refused(randn(3, 8, 8), times, says: "[3, 8, 8]");
        Refused(randn(2, 3, 7, 8), times, says: "8x7");
        Refused(randn(2, 3, 8, 9), times, says: "9x8");
        Refused(randn(2, 3, 0, 8), times, says: "8x0");
        Refused(ones(2, 3, 8, 8, dtype: int64), times, says: "Int64");
        Refused(good, tensor(new[] { 1f, 2f, 3f }), says: "[3]");
        Refused(good, times, tensor(new[] { 0L, 7L }), says: "Label 7");
        Refused(good, times, tensor(new[] { -1L, 0L }), says: "Label -1");
        Refused(good, times, tensor(new[,] { { 0L, -2L }, { 0L, 0L } }), says: "Label -2");
        Refused(good, times, tensor(new[,] { { 0L, 7L }, { 0L, 0L } }), says: "Label 7");
        Refused(good, times, tensor(new[] { 1L }), says: "[1]");
        Refused(good, times, tensor(new[] { 1f, 1f }), says: "Float32");
        Refused(good, times, options: new DiMForwardOptions { SkipFactors = [1] }, says: "1 skip factors for 2");
    }

    [Theory]
    [InlineData(KernelSet.Mural)]
    [InlineData(KernelSet.Libtorch)]
    public void RunsLeaveNoTensorsBehind(KernelSet kernels)
    {
        using var scope = NewDisposeScope();
        using DiMModel model = TinyNetwork.Random(TinyNetwork.SmallConfig);
        model.UseKernels(kernels);
        Tensor input = randn(2, 3, 8, 8), times = tensor(new[] { 1f, 2f }), words = tensor(new[,] { { 0L, 3L }, { -1L, -1L } });
        void Infer()
        {
            using var run = NewDisposeScope();
            using IDisposable guard = inference_mode();
            model.Forward(input, times, words);
        }
        void Train(bool checkpointing)
        {
            using var step = NewDisposeScope();
            model.Forward(input, times, words, new DiMForwardOptions { GradientCheckpointing = checkpointing }).square().mean().backward();
        }
        void All()
        {
            Infer();
            Train(false);
            Train(true);
        }
        All();
        static long Live() => DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        long before = Live();
        for (int i = 0; i < 3; i++) All();
        Assert.Equal(before, Live());
    }

    // Moving a TorchSharp module replaces its parameters; the layers must run on the new ones.
    [Fact]
    public void ParametersFollowTheModuleToAnotherType()
    {
        using var scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using DiMModel moved = TinyNetwork.Random(TinyNetwork.SmallConfig), rounded = TinyNetwork.Random(TinyNetwork.SmallConfig);
        moved.to(ScalarType.BFloat16);
        foreach (Parameter parameter in rounded.parameters()) parameter.copy_(parameter.to(ScalarType.BFloat16));
        Tensor input = randn(1, 3, 8, 8);
        Assert.All(moved.parameters(), parameter => Assert.Equal(ScalarType.BFloat16, parameter.dtype));
        Assert.True(allclose(rounded.Forward(input, tensor(7f)), moved.Forward(input, tensor(7f)), rtol: 2e-2, atol: 2e-2));
        Assert.Equal(rounded.named_parameters().Select(entry => entry.name), moved.named_parameters().Select(entry => entry.name));
    }

    private static void AssertClose(Tensor expected, Tensor actual) =>
        Assert.InRange(((expected - actual).norm() / expected.norm()).item<float>(), 0, Exact);
}
