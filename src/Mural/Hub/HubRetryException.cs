namespace Mural.Hub;

/// <summary>A failure of the connection or the server that may be gone with the next try; the message is why, without a full stop.</summary>
internal sealed class HubRetryException(string message, Exception? inner) : Exception(message, inner);

/// <summary>What is on disk does not go on to the file on the hub: it must be fetched anew.</summary>
internal sealed class HubRestartException() : Exception("the file changed meanwhile");
