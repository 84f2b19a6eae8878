using Mural.Attention;
using Mural.Cli.Bench;
using Mural.Runtime;

namespace Mural.Cli.Machine;

/// <summary>How attention of some shapes is computed.</summary>
/// <param name="Shapes">Names that <c>mural bench attention</c> has too.</param>
/// <param name="Chosen">The way.</param>
/// <param name="Reason">Why.</param>
internal sealed record AttentionReport(IReadOnlyList<string> Shapes, string Chosen, string Reason)
{
    /// <summary>What a run as planned does.</summary>
    internal static IReadOnlyList<AttentionReport> Create(RuntimePlan plan)
    {
        if (plan.Kernels == KernelSet.Libtorch || plan.Device.type != TorchSharp.DeviceType.CPU)
            return [new AttentionReport([.. NamedAttention.All.Select(shape => shape.Name)], Describe(AttentionWay.Libtorch), plan.KernelsReason)];
        return
        [
            .. NamedAttention.All.Select(shape => (shape.Name, Decision: AttentionChoice.For(shape.Shape(plan.Type))))
                .GroupBy(choice => choice.Decision, choice => choice.Name)
                .Select(group => new AttentionReport([.. group], Describe(group.Key.Way), group.Key.Reason)),
        ];
    }

    private static string Describe(AttentionWay way) => way switch
    {
        AttentionWay.FlashBFloat16 => "blocks on libtorch's bf16 products",
        AttentionWay.FlashFloat32 => "blocks on libtorch's f32 products",
        AttentionWay.FlashVectors => "blocks in our own f32 vectors",
        AttentionWay.Chunked => "products of queries in chunks",
        _ => "libtorch's operator",
    };
}
