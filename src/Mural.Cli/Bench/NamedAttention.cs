using Mural.Attention;
using static TorchSharp.torch;

namespace Mural.Cli.Bench;

/// <summary>Attention of Stable Diffusion's networks that has a name, two pictures at a time as with guidance.</summary>
internal sealed record NamedAttention(string Name, int Heads, int Size, int Tokens, int Keys)
{
    internal const int Batch = 2;

    internal static IReadOnlyList<NamedAttention> All { get; } =
    [
        new("self-40x4096", Heads: 8, Size: 40, Tokens: 4096, Keys: 4096),
        new("self-64x4096", Heads: 10, Size: 64, Tokens: 4096, Keys: 4096),
        new("self-80x1024", Heads: 8, Size: 80, Tokens: 1024, Keys: 1024),
        new("self-160x256", Heads: 8, Size: 160, Tokens: 256, Keys: 256),
        new("self-512x4096", Heads: 1, Size: 512, Tokens: 4096, Keys: 4096),
        new("cross-40x4096x77", Heads: 8, Size: 40, Tokens: 4096, Keys: 77),
    ];

    internal AttentionShape Shape(ScalarType type) => new(Batch, Heads, Tokens, Keys, Size, type);
}
