using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Mural.Hub;

/// <summary>Speaks with a hub: lists a repository and opens its files at an offset. Every failure is either worth another try or final.</summary>
internal sealed class HubClient : IDisposable
{
    // Small answers are JSON lists and settings.
    private const int MostBytes = 64 << 20;

    // Bounds for what a hub says of its files; the largest repositories have some thousands of files of some gigabytes.
    private const int MostPages = 1000;
    private const long LargestFile = 1L << 44;

    private const int MostRedirects = 10;

    private readonly HttpClient _client;
    private readonly HubOptions _options;

    internal HubClient(HubOptions options)
    {
        _options = options;
        // The handler would leave the token out wherever a redirect leads, also where a repository has only got another name.
        var handler = new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = options.Patience, AutomaticDecompression = DecompressionMethods.None };
        _client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan, MaxResponseContentBufferSize = MostBytes };
        _client.DefaultRequestHeaders.UserAgent.ParseAdd("mural");
    }

    /// <summary>All files of a repository at the options' revision.</summary>
    internal async Task<IReadOnlyList<HubFile>> ListAsync(string repository, CancellationToken cancellation)
    {
        var files = new List<HubFile>();
        Uri? next = Address($"api/models/{repository}/tree/{Uri.EscapeDataString(_options.Revision)}?recursive=true");
        for (int page = 0; next is not null; page++)
        {
            if (page == MostPages)
                throw new MuralException($"{_options.Endpoint.Host} gives the list of {repository} in more than {MostPages} pages; check that {_options.Endpoint} is a model hub.");
            using HttpResponseMessage answer = await SendAsync(next, repository, offset: 0, cancellation).ConfigureAwait(false);
            string text = await Within(token => answer.Content.ReadAsStringAsync(token), cancellation).ConfigureAwait(false);
            files.AddRange(Parse(text, repository));
            next = NextPage(answer, next);
        }
        return files;
    }

    /// <summary>The text of a small file.</summary>
    internal async Task<string> ReadAsync(string repository, HubFile file, CancellationToken cancellation)
    {
        using HttpResponseMessage answer = await SendAsync(AddressOf(repository, file), repository, offset: 0, cancellation).ConfigureAwait(false);
        return await Within(token => answer.Content.ReadAsStringAsync(token), cancellation).ConfigureAwait(false);
    }

    /// <summary>The answer with a file's bytes from <paramref name="offset"/> on, or from the start where the server cannot do that.</summary>
    internal Task<HttpResponseMessage> OpenAsync(string repository, HubFile file, long offset, CancellationToken cancellation) =>
        SendAsync(AddressOf(repository, file), repository, offset, cancellation);

    /// <summary>Runs a piece of work that must make progress within the options' patience.</summary>
    /// <exception cref="HubRetryException">It did not.</exception>
    internal async Task<T> Within<T>(Func<CancellationToken, Task<T>> work, CancellationToken cancellation)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(_options.Patience);
        try
        {
            return await work(patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException error) when (!cancellation.IsCancellationRequested)
        {
            throw new HubRetryException($"nothing came for {_options.Patience.TotalSeconds:0} s", error);
        }
        catch (Exception error) when (error is HttpRequestException or IOException)
        {
            throw new HubRetryException((error.InnerException ?? error).Message.TrimEnd('.'), error);
        }
    }

    public void Dispose() => _client.Dispose();

    private Uri AddressOf(string repository, HubFile file) =>
        Address($"{repository}/resolve/{Uri.EscapeDataString(_options.Revision)}/{string.Join('/', file.Path.Split('/').Select(Uri.EscapeDataString))}");

    private Uri Address(string path) => new($"{_options.Endpoint.ToString().TrimEnd('/')}/{path}");

    private async Task<HttpResponseMessage> SendAsync(Uri address, string repository, long offset, CancellationToken cancellation)
    {
        for (int redirects = 0; redirects <= MostRedirects; redirects++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, address);
            if (offset > 0) request.Headers.Range = new RangeHeaderValue(offset, null);
            if (_options.Token is { } secret && IsEndpoint(address)) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", secret);
            HttpResponseMessage answer = await Within(token => _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, token), cancellation).ConfigureAwait(false);
            if (answer.IsSuccessStatusCode) return answer;
            using (answer) address = Redirect(answer, address) ?? throw Refusal(answer, repository);
        }
        throw new MuralException(
            $"{_options.Endpoint.Host} sends the question for {repository} on more than {MostRedirects} times; check that {_options.Endpoint} is a model hub.");
    }

    // Large files lie with other hosts, which the token is not for.
    private bool IsEndpoint(Uri address) =>
        Uri.Compare(address, _options.Endpoint, UriComponents.SchemeAndServer, UriFormat.SafeUnescaped, StringComparison.OrdinalIgnoreCase) == 0;

    // Where an answer sends its question on, or null; never from a connection that nobody can listen to onto another.
    private static Uri? Redirect(HttpResponseMessage answer, Uri here)
    {
        bool moved = answer.StatusCode is HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther
            or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect;
        if (!moved || answer.Headers.Location is not { } location || !Uri.TryCreate(here, location, out Uri? next)) return null;
        return next.Scheme == Uri.UriSchemeHttps || (next.Scheme == Uri.UriSchemeHttp && here.Scheme == Uri.UriSchemeHttp) ? next : null;
    }

    private Exception Refusal(HttpResponseMessage answer, string repository)
    {
        string code = $"{(int)answer.StatusCode} {answer.ReasonPhrase}";
        return answer.StatusCode switch
        {
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => new MuralException(
                $"{_options.Endpoint.Host} does not give {repository} to {(_options.Token is null ? "someone without a token" : "this token")} ({code}): "
                + $"accept its terms there if it has some, and set {HubOptions.TokenVariable} to a token that may read it."),
            HttpStatusCode.NotFound => new MuralException(
                $"{_options.Endpoint.Host} has no {repository} with the revision {_options.Revision} ({code}): check the name, which is ORGANISATION/NAME."),
            HttpStatusCode.RequestedRangeNotSatisfiable => new HubRestartException(),
            HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError => new HubRetryException(code, null),
            _ => new MuralException($"{_options.Endpoint.Host} refuses {answer.RequestMessage?.RequestUri?.AbsolutePath} ({code}): "
                + $"try again later, or another endpoint with {HubOptions.EndpointVariable}."),
        };
    }

    private List<HubFile> Parse(string text, string repository)
    {
        try
        {
            using JsonDocument list = JsonDocument.Parse(text);
            return [.. list.RootElement.EnumerateArray().Where(entry => entry.GetProperty("type").GetString() == "file").Select(ToFile)];
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new MuralException($"{_options.Endpoint.Host} answers the question for the files of {repository} with something else than a list; "
                + $"check that {_options.Endpoint} is a model hub.", error);
        }
    }

    private static HubFile ToFile(JsonElement entry)
    {
        string path = entry.GetProperty("path").GetString() ?? "";
        long size = entry.GetProperty("size").GetInt64();
        if (size is < 0 or > LargestFile || !IsSafe(path)) throw new FormatException(path);
        string? sha256 = entry.TryGetProperty("lfs", out JsonElement large) && large.ValueKind == JsonValueKind.Object
            ? large.GetProperty("oid").GetString()?.Replace("sha256:", "", StringComparison.Ordinal)
            : null;
        string? git = sha256 is null && entry.TryGetProperty("oid", out JsonElement hash) ? hash.GetString() : null;
        return IsHash(sha256, 64) && IsHash(git, 40) ? new HubFile(path, size, sha256, git) : throw new FormatException(path);
    }

    private static bool IsHash(string? text, int digits) => text is null || (text.Length == digits && text.All(char.IsAsciiHexDigit));

    // A path from elsewhere must not lead out of the folder that it is written to.
    private static bool IsSafe(string path) =>
        path.Length > 0 && !path.Contains('\\') && !path.Contains(':') && !path.Contains('\0') && path.Split('/').All(part => part.Length > 0 && part is not ("." or ".."));

    // Long lists come in pages, whose next one a header names.
    private static Uri? NextPage(HttpResponseMessage answer, Uri here)
    {
        if (!answer.Headers.TryGetValues("Link", out IEnumerable<string>? links)) return null;
        foreach (string link in links.SelectMany(value => value.Split(',')))
        {
            int end = link.IndexOf('>', StringComparison.Ordinal);
            if (end > 1 && link.Contains("rel=\"next\"", StringComparison.Ordinal)
                && Uri.TryCreate(here, link.Trim()[1..(link.Trim().IndexOf('>', StringComparison.Ordinal))], out Uri? next)
                && next.Host == here.Host && next != here) return next;
        }
        return null;
    }
}
