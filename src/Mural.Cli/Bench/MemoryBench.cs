using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Mural.Cli.Bench;

/// <summary>Memory told before a run against what the run held: pictures of Stable Diffusion 1.5 with random weights, each painted by a process of its own.</summary>
internal static class MemoryBench
{
    internal static Benchmark Create() => new("memory", "Memory told before painting against what was held.", () =>
    {
        RandomModel files = RandomModel.StableDiffusion1;
        return
        [
            Row(files, "512-whole", "--size 512x512 --memory-mode whole"),
            Row(files, "512-strips", "--size 512x512 --memory-mode strips"),
            Row(files, "512-disk", "--size 512x512 --memory-mode disk"),
            Row(files, "512-f32-whole", "--size 512x512 --memory-mode whole --precision f32"),
            Row(files, "768x512-two", "--size 768x512 --memory-mode whole --count 2"),
            Row(files, "768-strips", "--size 768x768 --memory-mode strips"),
            Row(files, "1024-whole", "--size 1024x1024 --memory-mode whole"),
            Row(files, "1024-strips", "--size 1024x1024 --memory-mode strips"),
            Row(files, "1024-disk", "--size 1024x1024 --memory-mode disk"),
            Row(files, "1024-unguided", "--size 1024x1024 --memory-mode whole --guidance 1"),
            Row(files, "chain-1024-strips", "--size 512x512 --upscale-to 1024x1024 --memory-mode strips"),
            Row(files, "1536x1024-disk", "--size 1536x1024 --memory-mode disk"),
        ];
    });

    private static BenchRow Row(RandomModel files, string name, string options) => new()
    {
        Name = name,
        About = $"mural generate {options}, one step, random weights",
        Compared = false,
        Shared = files,
        Prepare = _ =>
        {
            files.Write();
            string note = "";
            int runs = 0;
            // A process of its own has nothing that a first run would warm.
            return new BenchWork(() => note = runs++ == 0 ? note : Paint(files.Folder, options), new Held()) { Found = () => note };
        },
    };

    private static string Paint(string model, string options)
    {
        string folder = Directory.CreateTempSubdirectory("mural-bench-").FullName;
        try
        {
            ProcessStartInfo start = PlainProcess.OwnExecutable();
            string[] enlarging = options.Contains("--upscale-to", StringComparison.Ordinal) ? ["--upscale-strength", "1"] : [];
            string[] arguments =
            [
                "generate", "fox", "--model", model, "--steps", "1", "--seed", "1", "--sampler", "ddim", "--schedule", "trailing",
                "--device", "cpu", "--json", "-o", Path.Combine(folder, "fox.png"), .. options.Split(' '), .. enlarging,
            ];
            foreach (string argument in arguments) start.ArgumentList.Add(argument);
            start.RedirectStandardOutput = true;
            using Process process = Process.Start(start)!;
            JsonNode? document = JsonNode.Parse(process.StandardOutput.ReadToEnd());
            process.WaitForExit();
            if (document?["memory"] is not JsonObject memory)
                throw new MuralException($"A process that paints for the benchmark failed: {document?["error"] ?? "it said nothing"}.");
            double told = memory["predictedBytes"]!.GetValue<double>(), held = memory["peakBytes"]!.GetValue<double>();
            return string.Create(CultureInfo.InvariantCulture, $"told {told / 1e9:0.00} GB, held {held / 1e9:0.00} GB: {told / held - 1:+0.0%;-0.0%}");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
