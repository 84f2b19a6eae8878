using System.Text.Json;

namespace Mural.Report;

/// <summary>What <c>mural judge --json</c> said of a set of samples.</summary>
/// <param name="Name">The set's name, that of the file.</param>
/// <param name="Pictures">Samples in it.</param>
/// <param name="Found">Share whose caption was found.</param>
/// <param name="StandardError">Its standard error.</param>
/// <param name="Distance">Distance of the features to those of the real pictures.</param>
/// <param name="Features">Numbers of a feature vector: of fewer pictures the distance says little.</param>
internal sealed record JudgedSet(string Name, int Pictures, double Found, double StandardError, double Distance, int Features)
{
    internal static JudgedSet Read(string file)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(file));
        double Number(string key) => document.RootElement.GetProperty(key).GetDouble();
        return new JudgedSet(
            Path.GetFileNameWithoutExtension(file), (int)Number("pictures"), Number("found"), Number("standardError"), Number("distance"), (int)Number("features"));
    }

    /// <summary>All of a folder, by their names.</summary>
    internal static IReadOnlyList<JudgedSet> ReadAll(string folder) => [.. Directory.GetFiles(folder, "*.json").Order(StringComparer.Ordinal).Select(Read)];
}
