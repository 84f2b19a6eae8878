using Mural.Attention;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Cli.Bench;

/// <summary>Attention in the shapes of Stable Diffusion's networks, in bf16 and in f32.</summary>
internal static class AttentionBench
{
    internal static Benchmark Create() => new(
        "attention", "Attention in the shapes of Stable Diffusion's networks.",
        () => [.. NamedAttention.All.Select(shape => Row(shape, Precision.BFloat16)), .. NamedAttention.All.Select(shape => Row(shape, Precision.Float32))]);

    private static BenchRow Row(NamedAttention shape, Precision precision) => new()
    {
        Name = precision == Precision.BFloat16 ? shape.Name : $"{shape.Name}-{precision.ShortName()}",
        About = $"batch {NamedAttention.Batch}, {shape.Heads} heads of {shape.Size}, {shape.Tokens} tokens, {shape.Keys} keys, {precision.ShortName()}",
        Type = precision.ToScalarType(),
        Operations = shape.Shape(precision.ToScalarType()).Operations,
        Prepare = kernels =>
        {
            using Generator generator = new(1, CPU);
            Tensor Normal(long tokens)
            {
                using Tensor values = randn([NamedAttention.Batch, tokens, shape.Heads * shape.Size], generator: generator);
                return values.to(precision.ToScalarType(), copy: true);
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
