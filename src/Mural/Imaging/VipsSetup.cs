using NetVips;

namespace Mural.Imaging;

/// <summary>Sets libvips up once, before its first use.</summary>
internal static class VipsSetup
{
    // Kept alive: native code holds a pointer to it.
    private static readonly Log.LogDelegate Silence = (_, _, _) => { };
    private static readonly Lock Gate = new();
    private static bool _ready;

    /// <exception cref="MuralException">libvips cannot be loaded.</exception>
    internal static void EnsureReady()
    {
        lock (Gate)
        {
            if (_ready) return;
            try
            {
                // Every failure is thrown with libvips' own message as well; the same text on the standard error stream would only disturb.
                Log.SetLogHandler("VIPS", Enums.LogLevelFlags.Warning | Enums.LogLevelFlags.Info | Enums.LogLevelFlags.Debug | Enums.LogLevelFlags.Message, Silence);
                // The operation cache recognises a buffer by its address, which a later picture may get again.
                Cache.Max = 0;
            }
            catch (Exception exception) when (exception is TypeInitializationException or DllNotFoundException or BadImageFormatException or VipsException)
            {
                throw new MuralException(
                    $"The picture library libvips cannot be loaded ({FirstLine(exception.GetBaseException().Message)}): restore the packages for this platform.", exception);
            }
            _ready = true;
        }
    }

    internal static string FirstLine(string message)
    {
        string[] lines = message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return lines.Length == 0 ? "no reason given" : lines[^1].TrimEnd('.');
    }
}
