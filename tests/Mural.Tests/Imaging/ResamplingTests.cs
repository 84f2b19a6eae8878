using System.Globalization;
using System.Text.Json.Nodes;
using Mural.Tests.Goldens;
using static TorchSharp.torch.nn;

namespace Mural.Tests.Imaging;

/// <summary>libtorch's own resampling, as TorchSharp binds it, does what the models expect of PyTorch's.</summary>
[Trait("Area", "image")]
public class ResamplingTests
{
    public static TheoryData<string> InterpolationCases => GoldenCase.Names("image", golden => golden.Tensors.Keys.Any(IsInterpolated));

    public static TheoryData<string> PoolingCases => GoldenCase.Names("image", golden => golden.Tensors.Keys.Any(IsPooled));

    [GoldenTheory, MemberData(nameof(InterpolationCases))]
    public void InterpolationMatches(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("image", name);
        Tensor input = golden.Get("in.x");
        foreach (string output in golden.Tensors.Keys.Where(IsInterpolated))
        {
            // out.<mode>[.align_<bool>][.antialias][.recompute].<size_HxW or factor_index>
            string[] parts = output.Split('.');
            InterpolationMode mode = parts[1] switch
            {
                "nearest" => InterpolationMode.Nearest,
                "nearest-exact" => InterpolationMode.NearestExact,
                "bilinear" => InterpolationMode.Bilinear,
                "bicubic" => InterpolationMode.Bicubic,
                _ => InterpolationMode.Area,
            };
            // Without a word on corners libtorch's C++ interface warns about nearest-exact, which has none.
            bool? align = parts.Contains("align_True") ? true : parts.Contains("align_False") || mode == InterpolationMode.NearestExact ? false : null;
            string[] target = parts[^1].Split('_');
            long[]? size = target[0] == "size" ? [.. target[1].Split('x').Select(n => long.Parse(n, CultureInfo.InvariantCulture))] : null;
            double[]? factors = target[0] == "factor" ? Factors(golden.Config["scale_factors_by_index"]![int.Parse(target[1], CultureInfo.InvariantCulture)]!) : null;
            golden.AssertMatches(output, functional.interpolate(input, size, factors, mode, align, parts.Contains("recompute"), parts.Contains("antialias")));
        }
    }

    [GoldenTheory, MemberData(nameof(PoolingCases))]
    public void PoolingMatches(string name)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("image", name);
        Tensor input = golden.Get("in.x");
        foreach (string output in golden.Tensors.Keys.Where(IsPooled))
        {
            string[] parts = output.Split('.');
            golden.AssertMatches(output, parts[1] switch
            {
                "adaptive_avg" => functional.adaptive_avg_pool2d(input, Size(parts[2])),
                "adaptive_max" => functional.adaptive_max_pool2d(input, Size(parts[2])),
                _ => AveragePool(input, golden.Config["avg_pool"]!.AsArray().Single(pool => pool!["index"]!.ToString() == parts[2])!),
            });
        }
    }

    private static bool IsInterpolated(string tensor) => tensor.Split('.') is ["out", "nearest" or "nearest-exact" or "bilinear" or "bicubic" or "area", ..];

    private static bool IsPooled(string tensor) => tensor.Split('.') is ["out", "adaptive_avg" or "adaptive_max" or "avg_pool", ..];

    private static Tensor AveragePool(Tensor input, JsonNode pool) => functional.avg_pool2d(
        input,
        Pair(pool["kernel_size"])!,
        Pair(pool["stride"]),
        Pair(pool["padding"]),
        pool["ceil_mode"]?.GetValue<bool>() ?? false,
        pool["count_include_pad"]?.GetValue<bool>() ?? true,
        pool["divisor_override"]?.GetValue<long>());

    private static long[] Size(string text) => [.. text.Split('x').Select(n => long.Parse(n, CultureInfo.InvariantCulture))];

    private static long[]? Pair(JsonNode? node) => node switch
    {
        null => null,
        JsonArray both => [.. both.Select(n => n!.GetValue<long>())],
        _ => [node.GetValue<long>(), node.GetValue<long>()],
    };

    private static double[] Factors(JsonNode node) =>
        node is JsonArray both ? [.. both.Select(n => n!.GetValue<double>())] : [node.GetValue<double>(), node.GetValue<double>()];
}
