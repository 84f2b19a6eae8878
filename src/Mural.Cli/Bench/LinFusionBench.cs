using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Mural.Attention;
using Mural.Cli.Machine;
using Mural.HiDiffusion;
using Mural.Layers;
using Mural.LinFusion;
using Mural.Runtime;
using Mural.UNet;
using static TorchSharp.torch;

namespace Mural.Cli.Bench;

/// <summary>
/// One step of Stable Diffusion 1.5's denoiser at growing sizes, with softmax attention, with linear attention, and with that and HiDiffusion, and the linear attention alone.
/// Random weights, one picture, in the precision that Mural picks for the processor.
/// </summary>
internal static class LinFusionBench
{
    private const int TextTokens = 77, Channels = 320, Heads = 8, VaeFactor = 8, Steps = 30;

    // A step of softmax attention at the last size would take a thousand times the operations of the first.
    private static readonly int[] PlainSizes = [512, 1024, 2048], LinearSizes = [512, 1024, 2048, 4096], BothSizes = [1024, 2048, 4096], TokenCounts = [4096, 65536];

    internal static Benchmark Create() => new("linfusion", "Softmax and linear attention against the size of the picture.", () =>
    {
        var seen = new Measured();
        Precision precision = RuntimePlan.Choose(new RuntimeOptions { Device = "cpu" }).Precision;
        return
        [
            .. LinearSizes.SelectMany(size => new[] { (PlainSizes, Kind.Plain), (LinearSizes, Kind.LinFusion), (BothSizes, Kind.Both) }
                .Where(rows => rows.Item1.Contains(size)).Select(rows => Step(size, rows.Item2, new UNetConfig(), precision, seen))),
            .. TokenCounts.Select(tokens => Attention(tokens, precision)),
            .. TokenCounts.Select(tokens => Kernel(tokens, precision)),
        ];
    });

    /// <summary>What a step is run with.</summary>
    internal enum Kind
    {
        /// <summary>Softmax attention.</summary>
        Plain,

        /// <summary>Linear attention.</summary>
        LinFusion,

        /// <summary>Linear attention and the first of HiDiffusion's steps.</summary>
        Both,
    }

    /// <summary>A step of the whole network.</summary>
    /// <param name="size">Pixels of a side.</param>
    /// <param name="kind">What it is run with.</param>
    /// <param name="config">The network.</param>
    /// <param name="precision">What it runs in.</param>
    /// <param name="seen">Rows of the same run, which are compared.</param>
    internal static BenchRow Step(int size, Kind kind, UNetConfig config, Precision precision, Measured seen)
    {
        (string name, string what) = kind switch
        {
            Kind.Plain => ("plain", "softmax attention"),
            Kind.LinFusion => ("linfusion", "linear attention"),
            _ => ("both", "linear attention and HiDiffusion")
        };
        HiDiffusionStep? step = kind == Kind.Both ? FirstStep(size, config) : null;
        return new BenchRow
        {
            Name = $"sd15-{size}-{name}",
            About = $"Stable Diffusion 1.5 of random weights, {size}x{size} pixels, batch 1, {precision.ShortName()}, {what}",
            Operations = 2 * UNetCost.Forward(config, new MapSize(size / VaeFactor, size / VaeFactor), TextTokens, kind != Kind.Plain, step),
            Type = precision.ToScalarType(),
            Prepare = kernels => Prepare(size, kind, step, config, precision, kernels, seen),
        };
    }

    private static HiDiffusionStep FirstStep(int size, UNetConfig config)
    {
        using var shifts = new WindowShifts([1]);
        return HiDiffusionPlan.For(HiDiffusionArchitecture.Find(config)!, size / VaeFactor, size / VaeFactor, Steps, new HiDiffusionOptions()).At(0, shifts);
    }

    private static BenchWork Prepare(int size, Kind kind, HiDiffusionStep? step, UNetConfig config, Precision precision, KernelSet kernels, Measured seen)
    {
        UNetWork unet = UNetWork.Create(config, size / VaeFactor, 1, TextTokens, kernels, precision.ToScalarType(), kind != Kind.Plain);
        return new BenchWork(
            () =>
            {
                bool known = SystemMemory.ResetPeak();
                long before = SystemMemory.Read().Resident, start = Stopwatch.GetTimestamp();
                unet.Run(step);
                seen.Add(size, kind, Stopwatch.GetElapsedTime(start).TotalMilliseconds, known ? SystemMemory.Read().Peak - before : null);
                // Memory is that of a first step each time: what the step before left would hide it.
                Allocator.Trim();
            },
            unet)
        {
            Found = () => seen.About(size, kind),
        };
    }

    // One attention of the outermost level, projections and all.
    private static BenchRow Attention(int tokens, Precision precision) => new()
    {
        Name = $"attention-{tokens}",
        About = $"linear attention with its projections, {tokens} tokens of {Channels} channels, {Heads} heads, {precision.ShortName()}",
        Type = precision.ToScalarType(),
        Operations = 2 * LinFusionCost.LinearLayer(tokens, Channels, Heads),
        Prepare = kernels =>
        {
            using var gradients = no_grad();
            using Generator generator = new(1, CPU);
            ScalarType type = precision.ToScalarType();
            var module = new LinearAttention(Channels, Heads, Channels, new LayerFactory(type, Initialize: true));
            module.Freeze(kernels, type);
            Tensor input = randn([1, tokens, Channels], generator: generator).to(type);
            return Bound(
                () => module.Forward(input, new MapSize(1, tokens)).Dispose(), new Held(module, input),
                2 * LinFusionCost.LinearLayer(tokens, Channels, Heads), 2.0 * tokens * Channels * input.element_size(), type);
        },
    };

    // What is between the projections.
    private static BenchRow Kernel(int tokens, Precision precision) => new()
    {
        Name = $"kernel-{tokens}",
        About = $"linear attention between its projections, {tokens} tokens of {Channels} channels, {Heads} heads, {precision.ShortName()}",
        Type = precision.ToScalarType(),
        Operations = 2 * LinFusionCost.Kernel(tokens, Channels, Heads),
        Prepare = kernels =>
        {
            using Generator generator = new(1, CPU);
            ScalarType type = precision.ToScalarType();
            Tensor[] inputs = [.. Enumerable.Range(0, 3).Select(_ => randn([1, tokens, Channels], generator: generator).to(type))];
            return Bound(
                () =>
                {
                    using Tensor sums = LinearKernel.Sums(inputs[1], inputs[2], Heads, kernels), means = sums / tokens;
                    LinearKernel.Attend(inputs[0], means, kernels).Dispose();
                },
                new Held(inputs), 2 * LinFusionCost.Kernel(tokens, Channels, Heads), 4.0 * tokens * Channels * inputs[0].element_size(), type);
        },
    };

    // Says which of the machine's two limits is the nearer one, and how near the work comes to it.
    private static BenchWork Bound(Action run, IDisposable held, double operations, double bytes, ScalarType type)
    {
        double rate = MachineRates.Measure(CPU, TimeSpan.FromMilliseconds(400), default).Best(type), bandwidth = MemoryBandwidth.Measure();
        double products = operations / (rate * 1e6), memory = bytes / (bandwidth * 1e6), best = double.PositiveInfinity;
        return new BenchWork(
            () =>
            {
                using var inference = inference_mode();
                long start = Stopwatch.GetTimestamp();
                run();
                best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            },
            held)
        {
            Found = () => string.Create(
                CultureInfo.InvariantCulture,
                $"{(products > memory ? "the product rate" : "the memory bandwidth")} binds: {products:0.00} ms of products at {rate:0} GFLOP/s, "
                    + $"{memory:0.00} ms of reading and writing at {bandwidth:0.0} GB/s; {Math.Max(products, memory) / best:P0} of it is reached"),
        };
    }

    /// <summary>Times and memory of the steps of one run of the benchmark.</summary>
    internal sealed class Measured
    {
        private readonly ConcurrentDictionary<(int Size, Kind Kind), (double Milliseconds, long? Bytes)> _steps = new();

        internal void Add(int size, Kind kind, double milliseconds, long? bytes) => _steps.AddOrUpdate(
            (size, kind), (milliseconds, bytes),
            (_, before) => (Math.Min(before.Milliseconds, milliseconds), bytes is { } now && before.Bytes is { } earlier ? Math.Max(now, earlier) : null));

        /// <summary>Memory of a step; slopes against the next smaller size, 1 where they grow as the tokens do; and the ratio to softmax attention.</summary>
        internal string About(int size, Kind kind)
        {
            (double milliseconds, long? bytes) = _steps[(size, kind)];
            var found = new List<string>();
            if (bytes is { } most) found.Add(string.Create(CultureInfo.InvariantCulture, $"{most / 1e9:0.00} GB more resident during a step"));
            int[] smaller = [.. _steps.Keys.Where(key => key.Kind == kind && key.Size < size).Select(key => key.Size)];
            if (smaller.Length > 0)
            {
                int from = smaller.Max();
                (double time, long? memory) = _steps[(from, kind)];
                double Slope(double now, double before) => Math.Log(now / before) / (2 * Math.Log((double)size / from));
                found.Add(string.Create(CultureInfo.InvariantCulture,
                    $"slope of time in tokens {Slope(milliseconds, time):0.00} from {from}x{from}"
                        + $"{(bytes > 0 && memory > 0 ? $", of memory {Slope(bytes.Value, memory.Value):0.00}" : "")}"));
            }
            if (kind != Kind.Plain && _steps.TryGetValue((size, Kind.Plain), out var plain))
                found.Add(string.Create(CultureInfo.InvariantCulture, $"{plain.Milliseconds / milliseconds:0.0} times as fast as with softmax attention alone"));
            return string.Join("; ", found);
        }
    }
}
