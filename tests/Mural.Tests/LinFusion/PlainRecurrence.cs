using Mural.LinFusion;

namespace Mural.Tests.LinFusion;

/// <summary>What each mixer means, written token by token in float64.</summary>
/// <param name="weights">The mixer's, by their names, float64.</param>
/// <param name="heads">H.</param>
internal sealed class PlainRecurrence(IReadOnlyDictionary<string, Tensor> weights, int heads)
{
    /// <summary>Weights by name, in float64.</summary>
    internal static Dictionary<string, Tensor> WeightsOf(nn.Module module) =>
        module.named_parameters().ToDictionary(entry => entry.name, entry => ((Tensor)entry.parameter).detach().to(float64));

    /// <param name="kind">The mixer.</param>
    /// <param name="x">float64. Shape: `[B, N, C]`.</param>
    /// <param name="trainingTokens">What the mixer without normalisation divides by.</param>
    internal Tensor Run(LinearMixer kind, Tensor x, long trainingTokens) => kind switch
    {
        LinearMixer.UnnormalizedLinearAttention => Out(Unnormalised(x, trainingTokens)),
        LinearMixer.CausalLinearAttention => Out(Causal(x)),
        LinearMixer.GatedLinearAttention => Out(Gated(x)),
        LinearMixer.BidirectionalMamba => Mamba("forward_mixer", x) + Mamba("backward_mixer", x.flip(1)).flip(1),
        LinearMixer.Mamba2 => Mamba2(x, bothWays: false),
        LinearMixer.BidirectionalMamba2 => Mamba2(x, bothWays: true),
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    private Tensor Unnormalised(Tensor x, long trainingTokens)
    {
        (Tensor q, Tensor k, Tensor v) = (Phi(x, "to_q"), Phi(x, "to_k"), Heads(Linear(x, "to_v")));
        Tensor state = 0;
        for (long t = 0; t < x.shape[1]; t++) state = state + Outer(k.select(1, t), v.select(1, t));
        return stack(Tokens(x).Select(t => Read(q.select(1, t), state) / ((double)trainingTokens * v.shape[3])), 1).flatten(2);
    }

    private Tensor Causal(Tensor x)
    {
        (Tensor q, Tensor k, Tensor v) = (Phi(x, "to_q"), Phi(x, "to_k"), Heads(Linear(x, "to_v")));
        Tensor state = 0, keys = 0;
        return stack(Tokens(x).Select(t =>
        {
            state = state + Outer(k.select(1, t), v.select(1, t));
            keys = keys + k.select(1, t);
            Tensor share = (q.select(1, t) * keys).sum(-1, keepdim: true) / (t + 1);
            return Read(q.select(1, t), state) / (t + 1) / (share + 1e-4);
        }), 1).flatten(2);
    }

    private Tensor Gated(Tensor x)
    {
        (Tensor q, Tensor k, Tensor v) = (Heads(Linear(x, "to_q")), Heads(Linear(x, "to_k")), Heads(Linear(x, "to_v")));
        Tensor kept = Heads(nn.functional.sigmoid(Linear(Linear(x, "gk_proj.0"), "gk_proj.1")).pow(1.0 / 16)), gate = Heads(nn.functional.silu(Linear(x, "g_proj")));
        Tensor state = zeros([x.shape[0], heads, q.shape[3], v.shape[3]], dtype: float64);
        return stack(Tokens(x).Select(t =>
        {
            state = kept.select(1, t).unsqueeze(-1) * state + Outer(k.select(1, t), v.select(1, t));
            Tensor read = Read(q.select(1, t), state) / Math.Sqrt(q.shape[3]);
            return Rms(read, "g_norm.weight") * gate.select(1, t);
        }), 1).flatten(2);
    }

    private Tensor Mamba(string mixer, Tensor x)
    {
        Tensor W(string name) => weights[$"{mixer}.{name}"];
        Tensor[] halves = [.. nn.functional.linear(x, W("in_proj.weight")).chunk(2, 2)];
        Tensor u = Convolution(halves[0], W("conv1d.weight"), W("conv1d.bias")), rates = W("A_log").exp().neg();
        long states = rates.shape[1], rank = W("dt_proj.weight").shape[1];
        Tensor[] parts = nn.functional.linear(u, W("x_proj.weight")).split([rank, states, states], 2);
        Tensor steps = nn.functional.softplus(nn.functional.linear(parts[0], W("dt_proj.weight"), W("dt_proj.bias")), 1, 20);
        Tensor state = zeros([x.shape[0], u.shape[2], states], dtype: float64);
        Tensor y = stack(Tokens(x).Select(t =>
        {
            Tensor step = steps.select(1, t).unsqueeze(-1), value = u.select(1, t);
            state = (step * rates).exp() * state + step * parts[1].select(1, t).unsqueeze(1) * value.unsqueeze(-1);
            return (state * parts[2].select(1, t).unsqueeze(1)).sum(-1) + W("D") * value;
        }), 1);
        return nn.functional.linear(y * nn.functional.silu(halves[1]), W("out_proj.weight"));
    }

    private Tensor Mamba2(Tensor x, bool bothWays)
    {
        long channels = x.shape[2];
        Tensor[] parts = Linear(x, "in_proj").split([channels, 3 * channels, heads], 2);
        Tensor Scan(string scan, Tensor inputs, Tensor steps)
        {
            Tensor[] mixed = [.. Convolution(inputs, weights[$"{scan}.conv1d.weight"], weights[$"{scan}.conv1d.bias"]).chunk(3, 2).Select(Heads)];
            Tensor step = nn.functional.softplus(steps + weights[$"{scan}.dt_bias"], 1, 20),
                state = zeros([x.shape[0], heads, mixed[0].shape[3], mixed[0].shape[3]], dtype: float64);
            return stack(Tokens(x).Select(t =>
            {
                Tensor value = mixed[0].select(1, t), now = step.select(1, t).view(-1, heads, 1);
                state = (now * weights[$"{scan}.A_log"].exp().neg().view(heads, 1)).exp().unsqueeze(-1) * state + Outer(mixed[1].select(1, t), now * value);
                return Read(mixed[2].select(1, t), state) + weights[$"{scan}.D"].view(heads, 1) * value;
            }), 1).flatten(2);
        }
        Tensor y = Scan("scan", parts[1], parts[2]);
        if (bothWays) y = y + Scan("backward_scan", parts[1].flip(1), parts[2].flip(1)).flip(1);
        return Linear(Rms(y * nn.functional.silu(parts[0]), "norm.weight"), "out_proj");
    }

    private Tensor Phi(Tensor x, string name)
    {
        Tensor hidden = Linear(x, $"{name}_.0");
        hidden = nn.functional.layer_norm(hidden, [hidden.shape[2]], weights[$"{name}_.1.weight"], weights[$"{name}_.1.bias"]);
        return Heads(nn.functional.elu(Linear(x + Linear(nn.functional.leaky_relu(hidden), $"{name}_.3"), name), 1) + 1);
    }

    private Tensor Linear(Tensor x, string name) => nn.functional.linear(x, weights[$"{name}.weight"], weights.GetValueOrDefault($"{name}.bias"));

    private Tensor Out(Tensor mixed) => Linear(mixed, "to_out.0");

    private Tensor Heads(Tensor tokens) => tokens.unflatten(2, heads, tokens.shape[2] / heads);

    private Tensor Rms(Tensor x, string weight) => x / (x.square().mean([-1], keepdim: true) + 1e-5).sqrt() * weights[weight];

    private static Tensor Convolution(Tensor x, Tensor taps, Tensor bias)
    {
        long count = taps.shape[2];
        Tensor padded = cat([zeros([x.shape[0], count - 1, x.shape[2]], dtype: float64), x], 1);
        Tensor sum = bias;
        for (long tap = 0; tap < count; tap++) sum = sum + padded.narrow(1, tap, x.shape[1]) * taps.select(2, tap).squeeze(-1);
        return nn.functional.silu(sum);
    }

    private static IEnumerable<long> Tokens(Tensor x) => Enumerable.Range(0, (int)x.shape[1]).Select(t => (long)t);

    private static Tensor Outer(Tensor key, Tensor value) => key.unsqueeze(-1) * value.unsqueeze(-2);

    private static Tensor Read(Tensor query, Tensor state) => (query.unsqueeze(-1) * state).sum(-2);
}
