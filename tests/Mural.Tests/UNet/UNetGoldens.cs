using Mural.Checkpoints;
using Mural.Runtime;
using Mural.Tests.Goldens;
using Mural.UNet;

namespace Mural.Tests.UNet;

/// <summary>What the cases of the areas <c>unet</c> and <c>control</c> have in common.</summary>
internal static class UNetGoldens
{
    /// <summary>Whether a case runs a UNet that it names.</summary>
    internal static bool RunsUNet(GoldenCase golden) => golden.Has("in.sample") && golden.Has("in.encoder_hidden_states") && golden.Has("out.sample")
        && golden.Json["model"] is not null && Directory.Exists(Folder(golden));

    internal static bool RunsControlNet(GoldenCase golden) => RunsUNet(golden) && golden.Config["controlnet"] is not null && golden.Has("in.hint");

    internal static UNet2DConditionModel Load(GoldenCase golden)
    {
        const string First = "w.conv_in.weight";
        UNetConfig config = UNetConfig.Read(Folder(golden));
        if (!golden.Has(First) || golden.Tensors[First].Shape[1] == config.InChannels)
        {
            UNet2DConditionModel network = UNet2DConditionModel.FromFolder(Folder(golden));
            golden.Change(network);
            return network;
        }
        // Made for inpainting: with another first convolution than the folder's.
        var inpainting = new UNet2DConditionModel(config with { InChannels = (int)golden.Tensors[First].Shape[1] });
        using ITensorSource weights = ModelFolder.OpenWeights(Folder(golden));
        using var quiet = no_grad();
        foreach ((string name, TorchSharp.Modules.Parameter parameter) in inpainting.named_parameters().Select(entry => (entry.name, entry.parameter)))
            if (!golden.Has("w." + name)) weights.CopyInto(name, parameter);
        golden.Change(inpainting);
        return inpainting;
    }

    /// <summary>All the conditions that the case holds.</summary>
    internal static UNetConditioning Conditioning(GoldenCase golden, ScalarType type) => new(golden.Get("in.encoder_hidden_states", type))
    {
        PooledText = golden.Has("in.text_embeds") ? golden.Get("in.text_embeds") : null,
        SizeNumbers = golden.Has("in.time_ids") ? golden.Get("in.time_ids") : null,
    };

    /// <summary>The residuals that the case brings, or null.</summary>
    internal static ControlResiduals? Residuals(GoldenCase golden)
    {
        if (!golden.Has("in.mid_residual")) return null;
        int count = golden.Tensors.Keys.Count(name => name.StartsWith("in.down_residual.", StringComparison.Ordinal));
        return new ControlResiduals(Enumerable.Range(0, count).Select(i => golden.Get($"in.down_residual.{i}")), golden.Get("in.mid_residual"));
    }

    /// <summary>The ways a network can be run: as loaded, and ready for inference on each set of kernels.</summary>
    internal static TheoryData<KernelSet?, ScalarType> Ways => new()
    {
        { null, ScalarType.Float32 }, { KernelSet.Mural, ScalarType.Float32 }, { KernelSet.Libtorch, ScalarType.Float32 },
        { KernelSet.Mural, ScalarType.BFloat16 }, { KernelSet.Libtorch, ScalarType.BFloat16 },
    };

    /// <summary>Every case that <paramref name="accepts"/> recognises, run in every way.</summary>
    internal static TheoryData<string, KernelSet?, ScalarType> CasesInAllWays(string area, Func<GoldenCase, bool> accepts)
    {
        var rows = new TheoryData<string, KernelSet?, ScalarType>();
        foreach (string name in GoldenCase.Names(area, accepts).Select(row => row.Data))
            foreach ((KernelSet? kernels, ScalarType type) in Ways.Select(row => row.Data)) rows.Add(name, kernels, type);
        return rows;
    }

    internal static void Check(GoldenCase golden, string output, Tensor actual, ScalarType type)
    {
        if (type == float32) golden.AssertMatches(output, actual);
        else golden.AssertCloseInBFloat16(output, actual);
    }

    private static string Folder(GoldenCase golden) => Path.Combine(golden.ModelFolder, "unet");
}
