using System.Security.Cryptography;
using System.Text.Json;
using Mural.Checkpoints;
using static TorchSharp.torch;

namespace Mural.Training;

/// <summary>Where a run stands, beside its tensors. All randomness is a function of the seed and the step, so the step is its whole state.</summary>
internal sealed record TrainingState
{
    /// <summary>The version that this program writes, and the only one that it reads. States without one are of version 1 too.</summary>
    internal const int CurrentVersion = 1;

    /// <summary>Version of the checkpoint's files: another one means that a program of another version has to go on with the run.</summary>
    public int Version { get; init; } = CurrentVersion;

    /// <summary>Updates made.</summary>
    public long Step { get; init; }

    /// <summary>Updates of the optimiser: without the steps that were left out because a gradient was not finite.</summary>
    public long OptimizerStep { get; init; }

    /// <summary>Seconds of training so far, over all its sessions.</summary>
    public double Seconds { get; init; }

    /// <summary>What must not change between sessions of one run.</summary>
    public string Identity { get; init; } = "";

    /// <summary>What the weights that the run started from hold, by <see cref="ContentHash.OfWeights"/>; null where it started from none.</summary>
    public string? Start { get; init; }

    /// <summary>SHA-256 of each file, so that a half-written checkpoint is recognised.</summary>
    public Dictionary<string, string> Files { get; init; } = [];
}

/// <summary>
/// The checkpoints of a run: each is a folder with everything that the run needs to go on, the newest two are kept. A checkpoint appears whole
/// by renaming its folder; should the newest be damaged nevertheless, the one before it is used.
/// </summary>
internal sealed class CheckpointStore(string folder)
{
    private const string StateFile = "state.json", Partial = ".partial";

    private const int Generations = 2;

    /// <summary>Saves a checkpoint and drops those that are no longer needed.</summary>
    /// <param name="state">Where the run stands.</param>
    /// <param name="tensors">Groups of named tensors: one safetensors file each.</param>
    internal void Save(TrainingState state, IReadOnlyDictionary<string, IReadOnlyDictionary<string, Tensor>> tensors)
    {
        string final = Path.Combine(folder, $"step-{state.Step:D9}"), partial = final + Partial;
        if (Directory.Exists(partial)) Directory.Delete(partial, recursive: true);
        Directory.CreateDirectory(partial);
        var files = new Dictionary<string, string>();
        foreach ((string group, IReadOnlyDictionary<string, Tensor> values) in tensors)
        {
            string name = group + ".safetensors", path = Path.Combine(partial, name);
            SafetensorsWriter.Save(path, values);
            files[name] = Hash(path);
        }
        byte[] text = JsonSerializer.SerializeToUtf8Bytes(state with { Files = files }, Settings.Json);
        AtomicFile.Write(Path.Combine(partial, StateFile), text.Length, stream => stream.Write(text));
        if (Directory.Exists(final)) Directory.Delete(final, recursive: true);
        Directory.Move(partial, final);
        // Later steps than this one were damaged when the run was resumed from before them: they would count as newer for ever.
        foreach (string damaged in Generation().Where(d => string.CompareOrdinal(Path.GetFileName(d), Path.GetFileName(final)) > 0).ToArray())
            Directory.Delete(damaged, recursive: true);
        foreach (string old in Generation().Skip(Generations).ToArray()) Directory.Delete(old, recursive: true);
        foreach (string left in Directory.EnumerateDirectories(folder, "*" + Partial)) Directory.Delete(left, recursive: true);
    }

    /// <summary>Finds the newest checkpoint that is whole.</summary>
    /// <param name="report">Told about damaged ones.</param>
    /// <returns>The state and the folder of its files, or null where there is no checkpoint at all.</returns>
    /// <exception cref="MuralException">There are checkpoints, but none is whole, or a newer program than this one wrote them.</exception>
    internal (TrainingState State, string Folder)? Newest(Action<string> report)
    {
        string? damage = null;
        foreach (string candidate in Generation())
        {
            damage = Damage(candidate, out TrainingState? state);
            if (damage is null) return (state!, candidate);
            report($"the checkpoint {Path.GetFileName(candidate)} is damaged ({damage}); using the one before it");
        }
        if (damage is not null) throw new MuralException($"None of the checkpoints in '{folder}' is whole ({damage}); start the run anew in another folder.");
        return null;
    }

    private static string? Damage(string candidate, out TrainingState? state)
    {
        state = null;
        try
        {
            using JsonDocument json = JsonDocument.Parse(File.ReadAllText(Path.Combine(candidate, StateFile)));
            RequireKnownVersion(json.RootElement, candidate);
            state = json.Deserialize<TrainingState>(Settings.Json);
            if (state is null) return $"{StateFile} is empty";
            foreach ((string name, string hash) in state.Files)
                if (Hash(Path.Combine(candidate, name)) != hash) return $"{name} is not what was written";
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return e.Message;
        }
    }

    // Asked before anything else is read, because nothing is known of what another version writes; and a refusal, because passing over to an older checkpoint would lose steps.
    private static void RequireKnownVersion(JsonElement state, string candidate)
    {
        if (state.ValueKind != JsonValueKind.Object || !state.TryGetProperty("version", out JsonElement version)) return;
        if (version.ValueKind == JsonValueKind.Number && version.TryGetInt32(out int number) && number == TrainingState.CurrentVersion) return;
        throw new MuralException($"The checkpoint '{candidate}' has the format version {version.GetRawText()}, where this program reads version {TrainingState.CurrentVersion}; "
            + $"go on with the program that wrote it, or start the run anew in another folder.");
    }

    // Newest first.
    private IEnumerable<string> Generation() => !Directory.Exists(folder) ? [] :
        Directory.EnumerateDirectories(folder, "step-*").Where(d => !d.EndsWith(Partial, StringComparison.Ordinal)).OrderDescending(StringComparer.Ordinal);

    private static string Hash(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
