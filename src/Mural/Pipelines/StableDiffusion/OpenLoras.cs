using System.Globalization;
using Mural.Adapters.Lora;
using Mural.Checkpoints;

namespace Mural.Pipelines;

/// <summary>LoRAs in memory, for as long as they are being merged.</summary>
internal sealed class OpenLoras : IDisposable
{
    private readonly List<LoraFile> _files = [];

    /// <exception cref="MuralException">A file is missing, malformed or no LoRA.</exception>
    internal OpenLoras(IReadOnlyList<StableDiffusionLora> loras)
    {
        try
        {
            foreach (StableDiffusionLora lora in loras) _files.Add(LoraFile.Open(lora.Path));
        }
        catch
        {
            Dispose();
            throw;
        }
        Weighted = [.. _files.Zip(loras, (file, lora) => new WeightedLora(file, lora.Weight, lora.TextWeight))];
    }

    internal IReadOnlyList<WeightedLora> Weighted { get; }

    /// <summary>What is not used of the files.</summary>
    internal IReadOnlyList<string> Warnings =>
    [
        .. _files.Where(file => file.Words.Count > 0).DistinctBy(file => file.Path).Select(file =>
            $"The LoRA {file.Path} brings textual inversions "
                + $"({string.Join(", ", file.Words.Select(Quote.Name))}), which are not used: give these words as files of their own, or expect less of them."),
    ];

    /// <summary>Which files with which weights.</summary>
    internal static IEnumerable<string> Marks(IEnumerable<StableDiffusionLora> loras) =>
        loras.Select(lora => string.Create(CultureInfo.InvariantCulture, $"{FileMark.Of(lora.Path)} {lora.Weight} {lora.TextWeight}"));

    public void Dispose()
    {
        foreach (LoraFile file in _files) file.Dispose();
    }
}
