using Mural.Attention;
using static TorchSharp.torch;

namespace Mural.Cli.Bench;

/// <summary>Attention in the shapes of Stable Diffusion's networks, two pictures at a time as with guidance.</summary>
internal static class AttentionBench
{
    private const int Batch = 2;

    private static readonly AttentionShape[] Shapes =
    [
        new("self-40x4096", Heads: 8, Size: 40, Tokens: 4096, Keys: 4096),
        new("self-64x4096", Heads: 10, Size: 64, Tokens: 4096, Keys: 4096),
        new("self-80x1024", Heads: 8, Size: 80, Tokens: 1024, Keys: 1024),
        new("self-160x256", Heads: 8, Size: 160, Tokens: 256, Keys: 256),
        new("self-512x4096", Heads: 1, Size: 512, Tokens: 4096, Keys: 4096),
        new("cross-40x4096x77", Heads: 8, Size: 40, Tokens: 4096, Keys: 77),
    ];

    internal static Benchmark Create() => new("attention", "Attention in the shapes of Stable Diffusion's networks.", () => [.. Shapes.Select(Row)]);

    private sealed record AttentionShape(string Name, int Heads, int Size, int Tokens, int Keys);

    private static BenchRow Row(AttentionShape shape) => new()
    {
        Name = shape.Name,
        About = $"batch {Batch}, {shape.Heads} heads of {shape.Size}, {shape.Tokens} tokens, {shape.Keys} keys, bf16",
        Operations = 4.0 * Batch * shape.Heads * shape.Size * shape.Tokens * shape.Keys,
        Prepare = kernels =>
        {
            using Generator generator = new(1, CPU);
            Tensor Normal(long tokens)
            {
                using Tensor values = randn([Batch, tokens, shape.Heads * shape.Size], generator: generator);
                return values.to(ScalarType.BFloat16);
            }
            Tensor queries = Normal(shape.Tokens), keys = Normal(shape.Keys), values = Normal(shape.Keys);
            return new BenchWork(
                () =>
                {
                    using var inference = inference_mode();
                    SoftmaxAttention.Apply(queries, keys, values, shape.Heads, kernels).Dispose();
                },
                new Held(queries, keys, values));
        },
    };
}
