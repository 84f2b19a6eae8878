using System.Globalization;
using Mural.Checkpoints;
using Mural.Checkpoints.StableDiffusion;
using Mural.Pipelines;
using Mural.Runtime;
using static TorchSharp.torch;

namespace Mural.Cli.Bench;

/// <summary>Loading whole models, and what stays of the memory when many pictures are painted with one. Weights are random, of published sizes.</summary>
internal static class LoadBench
{
    private const int PictureCount = 20, Side = 256, Steps = 2, BFloatBytes = 2;

    internal static Benchmark Create() => new("load", "Loading whole models, and memory over twenty pictures.", () =>
    [
        Load("sd15", "Stable Diffusion 1.5", RandomModel.StableDiffusion1),
        Load("sdxl", "Stable Diffusion XL", RandomModel.StableDiffusionXL),
        Pictures("sd15-pictures", "Stable Diffusion 1.5", RandomModel.StableDiffusion1),
    ]);

    /// <summary>From files to ready, against reading the files and converting them.</summary>
    /// <param name="name">The row.</param>
    /// <param name="model">What people call the model.</param>
    /// <param name="files">Its files, which belong to the row's work.</param>
    internal static BenchRow Load(string name, string model, RandomModel files) => new()
    {
        Name = name,
        About = $"{model} of random f16 weights from its files to ready in bf16; speedup: over reading the files and converting them",
        Prepare = kernels =>
        {
            files.Write();
            long most = 0;
            bool known = true;
            return new BenchWork(
                () =>
                {
                    known &= SystemMemory.ResetPeak();
                    long before = SystemMemory.Read().Resident;
                    StableDiffusionPipeline pipeline = Open(files, kernels);
                    most = Math.Max(most, SystemMemory.Read().Peak - before);
                    Close(pipeline);
                },
                files)
            {
                Found = () => $"{Gigabytes(Sources(files, source => source.Tensors.Values.Sum(entry => entry.Elements * BFloatBytes)).Sum())} GB of weights"
                    + (known ? $", at most {Gigabytes(most)} GB more resident than before while they were loaded" : ""),
            };
        },
        Baseline = () => new BenchWork(
            () =>
            {
                foreach (List<Tensor> converted in Sources(files, ReadAndConvert))
                    foreach (Tensor tensor in converted) tensor.Dispose();
                Allocator.Trim();
            },
            new Held()),
    };

    /// <summary>Memory over many pictures in one process.</summary>
    /// <inheritdoc cref="Load"/>
    internal static BenchRow Pictures(string name, string model, RandomModel files) => new()
    {
        Name = name,
        About = $"{PictureCount} pictures of {Side}x{Side} pixels in {Steps} steps each, one after the other, {model} of random weights, bf16",
        Samples = PictureCount,
        Compared = false,
        Prepare = kernels =>
        {
            files.Write();
            StableDiffusionPipeline pipeline = Open(files, kernels);
            var resident = new List<long>();
            return new BenchWork(
                () =>
                {
                    for (int i = 0; i < PictureCount; i++)
                    {
                        var request = new StableDiffusionRequest
                        {
                            Prompt = Invariant($"number {resident.Count}"),
                            Seed = resident.Count,
                            Width = Side,
                            Height = Side,
                            Steps = Steps
                        };
                        pipeline.GenerateAsync(request).GetAwaiter().GetResult();
                        resident.Add(SystemMemory.Read().Resident);
                    }
                },
                new Held(new Closing(pipeline), files))
            {
                Found = () => Invariant($"{Gigabytes(resident[0])} GB resident after the first picture, {Gigabytes(resident[PictureCount - 1])} after {PictureCount}, ")
                    + Invariant($"{Gigabytes(resident[^1])} after {resident.Count}, never more than {Gigabytes(resident.Max())}"),
            };
        },
    };

    private static StableDiffusionPipeline Open(RandomModel files, KernelSet kernels) => StableDiffusionPipeline.LoadAsync(
        files.Folder, new StableDiffusionOptions { Runtime = new RuntimeOptions { Device = "cpu", Precision = Precision.BFloat16, Kernels = kernels } }).GetAwaiter().GetResult();

    private static void Close(StableDiffusionPipeline pipeline)
    {
        pipeline.DisposeAsync().AsTask().GetAwaiter().GetResult();
        Allocator.Trim();
    }

    private static T[] Sources<T>(RandomModel files, Func<ITensorSource, T> look)
    {
        using StableDiffusionCheckpoint checkpoint = StableDiffusionCheckpoint.Open(files.Folder);
        return [.. checkpoint.Components.Values.Select(component => look(component.Weights))];
    }

    // As plainly as it can be done: the bytes of a tensor, then the tensor in the other type; all of them stay until the end, as in a model.
    private static List<Tensor> ReadAndConvert(ITensorSource source)
    {
        var converted = new List<Tensor>();
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(source.Path);
        foreach (TensorEntry entry in source.Tensors.Values)
        {
            using Tensor stored = empty(entry.Shape, entry.Type);
            FileBytes.Fill(file, stored.bytes, entry.Offset, "A model's file ends before the last of its tensors.");
            converted.Add(stored.to(ScalarType.BFloat16));
        }
        return converted;
    }

    private static string Gigabytes(long bytes) => (bytes / 1e9).ToString("0.00", CultureInfo.InvariantCulture);

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private sealed class Closing(StableDiffusionPipeline pipeline) : IDisposable
    {
        public void Dispose() => Close(pipeline);
    }
}
