using System.Security.Cryptography;
using System.Text;

namespace Mural.Hub;

/// <summary>
/// Fetches one file beside its final place, goes on where an earlier try ended, and gives it its name only when its size and hash are right.
/// </summary>
internal sealed class HubDownload(HubClient client, HubOptions options, string repository)
{
    private const int BufferBytes = 1 << 20;

    // A file that has begun to come is marked with what it will be, so that another version is not put onto its beginning.
    internal static string Partial(string path, HubFile file) => $"{path}.{(file.Sha256 ?? file.GitHash)?[..8] ?? "unknown"}.part";

    /// <summary>Bytes of a file that an earlier try has left.</summary>
    internal static long Begun(HubFile file, string path) => Math.Min(Length(Partial(path, file)), file.Size);

    /// <summary>Fetches a file unless it is there already.</summary>
    /// <param name="file">The file.</param>
    /// <param name="path">Where it goes.</param>
    /// <param name="progress">Told the bytes that are on disk.</param>
    /// <param name="cancellation">Stops; what has come stays for the next time.</param>
    /// <returns>Whether anything had to be fetched.</returns>
    /// <exception cref="MuralException">It could not be fetched, after all retries.</exception>
    internal async Task<bool> FetchAsync(HubFile file, string path, Action<long> progress, CancellationToken cancellation)
    {
        if (File.Exists(path) && await IsRightAsync(file, path, cancellation).ConfigureAwait(false)) return false;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        string partial = Partial(path, file);
        bool wrongBefore = false;
        int failures = 0;
        while (true)
        {
            long before = Length(partial);
            try
            {
                await ContinueAsync(file, partial, progress, cancellation).ConfigureAwait(false);
                if (await IsRightAsync(file, partial, cancellation).ConfigureAwait(false)) break;
                File.Delete(partial);
                if (wrongBefore)
                    throw new MuralException($"{options.Endpoint.Host} gave other bytes for {file.Path} than its own list says, twice: "
                        + $"try again later, or another endpoint with {HubOptions.EndpointVariable}.");
                wrongBefore = true;
            }
            catch (HubRestartException)
            {
                File.Delete(partial);
                if (++failures > options.Retries) throw new MuralException($"{options.Endpoint.Host} does not give {file.Path} as its own list says: try again later.");
            }
            catch (HubRetryException problem)
            {
                // A connection that brought something is no failure: large files come in several pieces over a bad line.
                failures = Length(partial) > before ? 0 : failures + 1;
                if (failures > options.Retries)
                    throw new MuralException($"{file.Path} cannot be fetched from {options.Endpoint.Host} ({problem.Message}): "
                        + "check the connection and run the command again, which goes on where it was.", problem);
                await Task.Delay(options.WaitAfter(Math.Max(0, failures - 1)), cancellation).ConfigureAwait(false);
            }
        }
        File.Move(partial, path, overwrite: true);
        return true;
    }

    private async Task ContinueAsync(HubFile file, string partial, Action<long> progress, CancellationToken cancellation)
    {
        long there = Length(partial);
        if (there > file.Size) throw new HubRestartException();
        if (there == file.Size && there > 0) return;
        using HttpResponseMessage answer = await client.OpenAsync(repository, file, there, cancellation).ConfigureAwait(false);
        bool continues = answer.StatusCode == System.Net.HttpStatusCode.PartialContent;
        if (continues && answer.Content.Headers.ContentRange?.From != there) throw new HubRestartException();
        Stream content = await client.Within(token => answer.Content.ReadAsStreamAsync(token), cancellation).ConfigureAwait(false);
        var disk = new FileStream(partial, continues ? FileMode.Append : FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        await using (disk.ConfigureAwait(false))
        {
            long written = continues ? there : 0;
            byte[] buffer = new byte[BufferBytes];
            while (written < file.Size)
            {
                int read = await client.Within(token => content.ReadAsync(buffer.AsMemory(), token).AsTask(), cancellation).ConfigureAwait(false);
                if (read == 0) throw new HubRetryException("the connection ended early", null);
                if (written + read > file.Size) throw new HubRestartException();
                await disk.WriteAsync(buffer.AsMemory(0, read), cancellation).ConfigureAwait(false);
                written += read;
                progress(written);
            }
            if (file.Size == 0) progress(0);
        }
    }

    private static async Task<bool> IsRightAsync(HubFile file, string path, CancellationToken cancellation)
    {
        if (Length(path) != file.Size) return false;
        FileStream content = File.OpenRead(path);
        await using (content.ConfigureAwait(false))
        {
            if (file.Sha256 is { } sha256) return Same(await SHA256.HashDataAsync(content, cancellation).ConfigureAwait(false), sha256);
            if (file.GitHash is not { } git) return true;
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
            hash.AppendData(Encoding.ASCII.GetBytes($"blob {file.Size}\0"));
            byte[] buffer = new byte[BufferBytes];
            for (int read; (read = await content.ReadAsync(buffer.AsMemory(), cancellation).ConfigureAwait(false)) > 0;) hash.AppendData(buffer, 0, read);
            return Same(hash.GetHashAndReset(), git);
        }
    }

    private static bool Same(byte[] hash, string text) => Convert.ToHexStringLower(hash).Equals(text, StringComparison.OrdinalIgnoreCase);

    private static long Length(string path) => File.Exists(path) ? new FileInfo(path).Length : 0;
}
