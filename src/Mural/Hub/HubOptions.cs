using System.Globalization;
using System.Text;

namespace Mural.Hub;

/// <summary>Where a hub is and how patient to be with it.</summary>
public sealed record HubOptions
{
    /// <summary>Environment variables that <see cref="FromEnvironment"/> reads, as the hub's own tools do.</summary>
    public const string EndpointVariable = "HF_ENDPOINT", TokenVariable = "HF_TOKEN";

    /// <summary>Address of the hub.</summary>
    public Uri Endpoint { get; init; } = new("https://huggingface.co");

    /// <summary>Token of the person who fetches, or null; sent to <see cref="Endpoint"/> alone.</summary>
    public string? Token { get; init; }

    /// <summary>Branch, tag or commit.</summary>
    public string Revision { get; init; } = "main";

    /// <summary>How often a file is taken up again after its connection failed without a byte coming through.</summary>
    public int Retries { get; init; } = 5;

    /// <summary>How long to wait for an answer, or for the next bytes.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Wait before the first retry; doubles with each further one.</summary>
    public TimeSpan FirstWait { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long to wait after some failures in a row, the first being number 0.</summary>
    internal TimeSpan WaitAfter(int failures) => FirstWait * Math.Pow(2, failures);

    // A token is a secret, and options are printed into logs.
    private bool PrintMembers(StringBuilder text)
    {
        text.Append(
            CultureInfo.InvariantCulture,
            $"{nameof(Endpoint)} = {Endpoint}, {nameof(Token)} = {(Token is null ? "none" : "***")}, {nameof(Revision)} = {Revision}, {nameof(Retries)} = {Retries}, "
            + $"{nameof(Patience)} = {Patience}, {nameof(FirstWait)} = {FirstWait}");
        return true;
    }

    /// <summary>Options with endpoint and token from the environment.</summary>
    /// <exception cref="MuralException">The endpoint there is no address.</exception>
    public static HubOptions FromEnvironment()
    {
        var options = new HubOptions { Token = Environment.GetEnvironmentVariable(TokenVariable) is { Length: > 0 } token ? token.Trim() : null };
        return Environment.GetEnvironmentVariable(EndpointVariable) is { Length: > 0 } text ? options with { Endpoint = ParseEndpoint(text, EndpointVariable) } : options;
    }

    /// <summary>Reads the address of a hub.</summary>
    /// <param name="text">The address.</param>
    /// <param name="source">Where it stands, for messages.</param>
    /// <exception cref="MuralException">It is none.</exception>
    internal static Uri ParseEndpoint(string text, string source) =>
        Uri.TryCreate(text, UriKind.Absolute, out Uri? endpoint) && endpoint.Scheme is ("http" or "https")
            ? endpoint
            : throw new MuralException($"{source} is {Checkpoints.Quote.Name(text)}, which is no address; one such as https://huggingface.co is expected.");
}
