using Mural.Imaging;
using Mural.Pipelines;
using Mural.Runtime;
using Mural.Tests.Goldens;

namespace Mural.Tests.Pipelines;

/// <summary>The goldens' tiny checkpoints as whole models.</summary>
internal static class TinyStableDiffusion
{
    internal const string First = "tiny-sd15", Second = "tiny-sd21", XL = "tiny-sdxl";

    internal static string At(string name) => GoldenCase.Model(name);

    /// <summary>A pipeline on the CPU, in float32 unless the options say otherwise.</summary>
    internal static Task<StableDiffusionPipeline> Load(string model, StableDiffusionOptions? options = null)
    {
        options ??= new StableDiffusionOptions();
        string folder = Path.IsPathRooted(model) ? model : At(model);
        return StableDiffusionPipeline.LoadAsync(
            folder, options with { Runtime = options.Runtime with { Device = "cpu", Precision = options.Runtime.Precision ?? Precision.Float32 } });
    }

    internal static async Task<byte[]> Paint(StableDiffusionPipeline pipeline, StableDiffusionRequest request) =>
        (await pipeline.GenerateAsync(request, cancellationToken: TestContext.Current.CancellationToken))[0].Picture.Data;

    /// <summary>A picture with something on it.</summary>
    internal static Picture Gradient(int width, int height)
    {
        var picture = new Picture(width, height, 3);
        for (int i = 0; i < picture.Data.Length; i++) picture.Data[i] = (byte)(i * 7 % 251);
        return picture;
    }

    /// <summary>White in the right half.</summary>
    internal static Picture HalfMask(int width, int height)
    {
        var mask = new Picture(width, height, 1);
        for (int row = 0; row < height; row++) mask.Row(row)[(width / 2)..].Fill(255);
        return mask;
    }

    internal static void AssertClose(byte[] expected, byte[] actual) =>
        Assert.All(expected.Zip(actual), pair => Assert.InRange(pair.First - pair.Second, -1, 1));

    internal static double Distance(byte[] one, byte[] other) => one.Zip(other, (a, b) => (double)Math.Abs(a - b)).Average();
}
