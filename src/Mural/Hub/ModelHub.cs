using Mural.Checkpoints;

namespace Mural.Hub;

/// <summary>How far a pull is.</summary>
/// <param name="File">The file that is being fetched.</param>
/// <param name="Bytes">Bytes of all files that are on disk.</param>
/// <param name="TotalBytes">Bytes of all files that are needed.</param>
public readonly record struct PullProgress(string File, long Bytes, long TotalBytes);

/// <summary>What was asked of a hub.</summary>
public sealed record PullRequest
{
    /// <summary>The repository, <c>ORGANISATION/NAME</c>.</summary>
    public required string Repository { get; init; }

    /// <summary>The folder that the files go to.</summary>
    public required string Folder { get; init; }

    /// <summary>Variant of the weights to prefer, such as <c>fp16</c>; a component without it comes plain. Null for the plain ones.</summary>
    public string? Variant { get; init; }

    /// <summary>Only these files of the repository; empty for all that the model needs.</summary>
    public IReadOnlyList<string> Files { get; init; } = [];
}

/// <summary>What a pull did.</summary>
/// <param name="Folder">The folder with the files.</param>
/// <param name="Files">The files, as they are called in the repository.</param>
/// <param name="Bytes">Their size together.</param>
/// <param name="Fetched">How many of them had to be fetched; the others were there already.</param>
public sealed record PullResult(string Folder, IReadOnlyList<string> Files, long Bytes, int Fetched);

/// <summary>Fetches models from a hub that speaks as Hugging Face's does.</summary>
public static class ModelHub
{
    /// <summary>Fetches what a model needs: resumable, each file checked against the hub's own hash before it gets its name.</summary>
    /// <param name="request">What.</param>
    /// <param name="options">From where.</param>
    /// <param name="progress">Told as bytes come.</param>
    /// <param name="cancellation">Stops; the same call goes on from there.</param>
    /// <exception cref="MuralException">The repository or a file is not there, is not given out, or cannot be fetched.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static async Task<PullResult> PullAsync(PullRequest request, HubOptions options, IProgress<PullProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(options);
        CheckName(request.Repository);
        using var client = new HubClient(options);
        IReadOnlyList<HubFile> files = await ChooseAsync(client, request, options, cancellation).ConfigureAwait(false);

        long total = files.Sum(file => file.Size), done = 0;
        int fetched = 0;
        CheckSpace(request.Folder, Missing(request.Folder, files));
        var download = new HubDownload(client, options, request.Repository);
        foreach (HubFile file in files)
        {
            long before = done;
            bool came = await download.FetchAsync(file, PathOf(request.Folder, file), bytes => progress?.Report(new PullProgress(file.Path, before + bytes, total)), cancellation)
                .ConfigureAwait(false);
            if (came) fetched++;
            done += file.Size;
            progress?.Report(new PullProgress(file.Path, done, total));
        }
        return new PullResult(request.Folder, [.. files.Select(file => file.Path)], total, fetched);
    }

    private static async Task<IReadOnlyList<HubFile>> ChooseAsync(HubClient client, PullRequest request, HubOptions options, CancellationToken cancellation)
    {
        IReadOnlyList<HubFile> all = await AskAsync(() => client.ListAsync(request.Repository, cancellation), request, options, cancellation).ConfigureAwait(false);
        if (request.Files.Count > 0)
        {
            return [.. request.Files.Select(name => all.FirstOrDefault(file => file.Path == name)
                ?? throw new MuralException($"{request.Repository} has no file {name}; it has {Some(all)}."))];
        }
        if (all.FirstOrDefault(file => file.Path == HubSelection.Index) is { } index)
        {
            string text = await AskAsync(() => client.ReadAsync(request.Repository, index, cancellation), request, options, cancellation).ConfigureAwait(false);
            return HubSelection.OfPipeline(all, text, request.Variant);
        }
        HubFile[] own = [.. all.Where(file => file.Folder.Length == 0)];
        if (own.Any(file => file.Name == ModelFolder.ConfigName)) return [.. HubSelection.OfFolder(own, request.Variant)];
        HubFile[] checkpoints = [.. own.Where(file => file.Name.EndsWith(".safetensors", StringComparison.Ordinal))];
        return checkpoints.Length == 1
            ? checkpoints
            : throw new MuralException(
                $"{request.Repository} is no model folder, and has {checkpoints.Length} checkpoints of its own: name those that you want with --file; it has {Some(all)}.");
    }

    private static async Task<T> AskAsync<T>(Func<Task<T>> question, PullRequest request, HubOptions options, CancellationToken cancellation)
    {
        for (int failures = 0; ; failures++)
        {
            try
            {
                return await question().ConfigureAwait(false);
            }
            catch (HubRetryException problem)
            {
                if (failures == options.Retries)
                    throw new MuralException($"{options.Endpoint.Host} cannot be asked for {request.Repository} ({problem.Message}): "
                        + $"check the connection, or choose another endpoint with {HubOptions.EndpointVariable}.", problem);
                await Task.Delay(options.WaitAfter(failures), cancellation).ConfigureAwait(false);
            }
        }
    }

    private static string Some(IReadOnlyList<HubFile> files) =>
        files.Count == 0 ? "none at all" : string.Join(", ", files.Take(12).Select(file => file.Path)) + (files.Count > 12 ? $" and {files.Count - 12} more" : "");

    private static string PathOf(string folder, HubFile file) => Path.Combine([folder, .. file.Path.Split('/')]);

    /// <summary>Bytes that are still to be fetched; files that have begun to come take room already.</summary>
    internal static long Missing(string folder, IEnumerable<HubFile> files) =>
        files.Where(file => !File.Exists(PathOf(folder, file))).Sum(file => file.Size - HubDownload.Begun(file, PathOf(folder, file)));

    private static void CheckName(string repository)
    {
        string[] parts = repository.Split('/');
        bool plain = parts.Length == 2
            && parts.All(part => part.Length is > 0 and <= 96 && part.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') && part is not ("." or ".."));
        if (!plain) throw new MuralException($"'{repository}' is no name of a repository: ORGANISATION/NAME is expected, such as stabilityai/sdxl-turbo.");
    }

    private static void CheckSpace(string folder, long bytes)
    {
        Directory.CreateDirectory(folder);
        long free = new DriveInfo(Path.GetFullPath(folder)).AvailableFreeSpace;
        if (bytes > free)
            throw new MuralException(
                $"{bytes / 1e9:0.0} GB are to be fetched, but {folder} has room for {free / 1e9:0.0} GB: free some space or choose another folder with --output.");
    }
}
