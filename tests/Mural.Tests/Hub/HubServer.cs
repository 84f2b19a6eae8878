using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Mural.Hub;

namespace Mural.Tests.Hub;

/// <summary>A model hub on this machine that can misbehave.</summary>
internal sealed class HubServer : IDisposable
{
    internal const string Repository = "someone/model";

    private readonly HttpListener _listener = new();
    private readonly Dictionary<string, byte[]> _files;
    private readonly CancellationTokenSource _stop = new();

    internal HubServer(params (string Path, byte[] Content)[] files)
    {
        _files = files.ToDictionary(file => file.Path, file => file.Content);
        for (int attempt = 0; ; attempt++)
        {
            Port = Random.Shared.Next(20000, 60000);
            _listener.Prefixes.Clear();
            _listener.Prefixes.Add($"http://127.0.0.1:{Port}/");
            try
            {
                _listener.Start();
                break;
            }
            catch (HttpListenerException) when (attempt < 20)
            {
                // Another program has this port.
            }
        }
        _ = Task.Run(ServeAsync);
    }

    internal int Port { get; }

    /// <summary>Options for this server that do not wait long.</summary>
    internal HubOptions Options =>
        new() { Endpoint = new Uri($"http://127.0.0.1:{Port}/"), Patience = TimeSpan.FromSeconds(1), FirstWait = TimeSpan.FromMilliseconds(5), Retries = 3 };

    /// <summary>Paths that were asked for, with the offset from which.</summary>
    internal List<(string Path, long Offset)> Asked { get; } = [];

    /// <summary>Bytes after which the connection is dropped; each answer to a file takes the next number, and the last stays.</summary>
    internal Queue<int> DropAfter { get; } = new();

    /// <summary>How many answers to a file have a wrong byte.</summary>
    internal int WrongAnswers { get; set; }

    /// <summary>How many answers to a file stop in the middle without an end.</summary>
    internal int StalledAnswers { get; set; }

    /// <summary>Pause between the pieces of a file, of which there are ten.</summary>
    internal TimeSpan Pause { get; init; }

    /// <summary>How many answers are 503.</summary>
    internal int BusyAnswers { get; set; }

    /// <summary>The token that is needed, or null.</summary>
    internal string? Token { get; init; }

    /// <summary>What the repository was called once: such addresses lead on, on this server, to those of today; null for nothing else.</summary>
    internal string? FormerName { get; init; }

    /// <summary>Address that a file's path is sent on to, or null for none.</summary>
    internal Func<string, string>? Elsewhere { get; set; }

    /// <summary>Tokens that came with questions for files, in their order; null for none.</summary>
    internal List<string?> Tokens { get; } = [];

    /// <summary>Whether offsets are ignored.</summary>
    internal bool WithoutRanges { get; init; }

    /// <summary>Files in one page of the list.</summary>
    internal int PageSize { get; init; } = 1000;

    /// <summary>What the list is answered with instead.</summary>
    internal string? List { get; init; }

    public void Dispose()
    {
        _stop.Cancel();
        _listener.Close();
        _stop.Dispose();
    }

    private async Task ServeAsync()
    {
        while (_listener.IsListening)
        {
            HttpListenerContext context;
            try
            {
                context = await _listener.GetContextAsync().ConfigureAwait(false);
            }
            catch (Exception error) when (error is HttpListenerException or ObjectDisposedException)
            {
                return;
            }
            _ = Task.Run(() => AnswerAsync(context));
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        try
        {
            string path = Uri.UnescapeDataString(context.Request.Url!.AbsolutePath);
            bool file = path.Contains("/resolve/", StringComparison.Ordinal);
            if (file) lock (Tokens) Tokens.Add(context.Request.Headers["Authorization"]);
            if (FormerName is not null && path.Contains(FormerName, StringComparison.Ordinal))
                Move(context, context.Request.RawUrl!.Replace(FormerName, Repository, StringComparison.Ordinal));
            else if (file && Elsewhere is not null) Move(context, Elsewhere(path));
            else if (Token is not null && context.Request.Headers["Authorization"] != $"Bearer {Token}") Status(context, 401);
            else if (BusyAnswers > 0 && BusyAnswers-- > 0) Status(context, 503);
            else if (path == $"/api/models/{Repository}/tree/main") Tree(context);
            else if (path.StartsWith($"/{Repository}/resolve/main/", StringComparison.Ordinal)
                    && _files.TryGetValue(path[$"/{Repository}/resolve/main/".Length..], out byte[]? content))
                await FileAsync(context, path, content).ConfigureAwait(false);
            else Status(context, 404);
        }
        catch (Exception error) when (error is HttpListenerException or IOException or ObjectDisposedException or OperationCanceledException)
        {
            // The client went away.
        }
    }

    private void Tree(HttpListenerContext context)
    {
        int first = int.Parse(context.Request.QueryString["cursor"] ?? "0");
        object[] entries = [.. _files.Skip(first).Take(PageSize).Select(file => Entry(file.Key, file.Value))];
        if (first + PageSize < _files.Count)
            context.Response.Headers["Link"] = $"<http://127.0.0.1:{Port}{context.Request.Url!.AbsolutePath}?recursive=true&cursor={first + PageSize}>; rel=\"next\"";
        context.Response.OutputStream.Write(Encoding.UTF8.GetBytes(List ?? JsonSerializer.Serialize(entries)));
        context.Response.Close();
    }

    // Git names contents by SHA-1, and hubs pass that on.
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Security", "CA5350", Justification = "The hub's protocol has it.")]
    private static object Entry(string path, byte[] content)
    {
        string git = Convert.ToHexStringLower(SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {content.Length}\0"), .. content]));
        if (!path.EndsWith(".safetensors", StringComparison.Ordinal)) return new { type = "file", oid = git, size = content.Length, path };
        return new { type = "file", oid = "0000", size = content.Length, path, lfs = new { oid = Convert.ToHexStringLower(SHA256.HashData(content)), size = content.Length } };
    }

    private async Task FileAsync(HttpListenerContext context, string path, byte[] content)
    {
        long offset = 0;
        if (!WithoutRanges && context.Request.Headers["Range"] is { } range) offset = long.Parse(range["bytes=".Length..].TrimEnd('-'));
        lock (Asked) Asked.Add((path, offset));
        byte[] rest = content[(int)offset..];
        if (WrongAnswers > 0 && WrongAnswers-- > 0) rest[^1] ^= 1;
        if (offset > 0)
        {
            context.Response.StatusCode = 206;
            context.Response.Headers["Content-Range"] = $"bytes {offset}-{content.Length - 1}/{content.Length}";
        }
        context.Response.ContentLength64 = rest.Length;
        bool stalls = StalledAnswers > 0 && StalledAnswers-- > 0;
        int part = rest.Length;
        if (stalls) part /= 2;
        else if (DropAfter.Count > 0) part = Math.Min(part, DropAfter.Count > 1 ? DropAfter.Dequeue() : DropAfter.Peek());
        int piece = Pause == TimeSpan.Zero ? Math.Max(1, part) : Math.Max(1, part / 10);
        for (int sent = 0; sent < part; sent += piece)
        {
            await context.Response.OutputStream.WriteAsync(rest.AsMemory(sent, Math.Min(piece, part - sent))).ConfigureAwait(false);
            await context.Response.OutputStream.FlushAsync().ConfigureAwait(false);
            await Task.Delay(Pause, _stop.Token).ConfigureAwait(false);
        }
        if (stalls) await Task.Delay(TimeSpan.FromSeconds(20), _stop.Token).ConfigureAwait(false);
        if (part < rest.Length) context.Response.Abort();
        else context.Response.Close();
    }

    private static void Move(HttpListenerContext context, string address)
    {
        context.Response.Headers["Location"] = address;
        Status(context, 307);
    }

    private static void Status(HttpListenerContext context, int code)
    {
        context.Response.StatusCode = code;
        context.Response.Close();
    }
}
