using Mural.Layers;
using Mural.LinFusion;
using Mural.Tests.Goldens;

namespace Mural.Tests.LinFusion;

/// <summary>What the cases of the area have in common.</summary>
internal static class LinFusionGoldens
{
    internal const string Area = "linfusion";

    private const string Weights = "w.";

    /// <summary>Whether a case brings one module.</summary>
    internal static bool HasModule(GoldenCase golden) => golden.Config["width"] is not null && golden.Config["heads"] is not null && golden.Has("w.to_q.weight");

    /// <summary>The module that a case brings.</summary>
    internal static LinearAttention Module(GoldenCase golden)
    {
        var config = new LinFusionModule(
            "", golden.Config["width"]!.GetValue<int>(), golden.Config["heads"]!.GetValue<int>(), golden.Config["projection_mid_dim"]?.GetValue<int>());
        var module = new LinearAttention(config.Width, config.Heads, config.MlpWidth, new LayerFactory(float32, Initialize: false));
        Assert.Equal(
            golden.Tensors.Keys.Where(key => key.StartsWith(Weights, StringComparison.Ordinal)).Order(StringComparer.Ordinal),
            module.named_parameters().Select(parameter => Weights + parameter.name).Order(StringComparer.Ordinal));
        using var quiet = no_grad();
        golden.Change(module, Weights);
        return module;
    }

    /// <summary>The folder of the checkpoint that a case mounts.</summary>
    internal static string Folder(GoldenCase golden) => At(golden.Config["linfusion"]!.GetValue<string>());

    internal static string At(string path) => GoldenCase.At(Area, path);

    /// <summary>A file or folder beside the cases that a test needs, whatever cases there are.</summary>
    internal static string Beside(string path)
    {
        GoldenCase.Require(At(path));
        return At(path);
    }

    internal static double Distance(Tensor got, Tensor want)
    {
        using var scope = NewDisposeScope();
        return ((got.to(float64) - want.to(float64)).norm() / want.to(float64).norm()).item<double>();
    }
}
