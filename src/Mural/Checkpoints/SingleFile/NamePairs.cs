namespace Mural.Checkpoints.SingleFile;

/// <summary>Beginnings of names in two layouts, read in either direction.</summary>
internal sealed class NamePairs(params (string Original, string Diffusers)[] pairs)
{
    /// <summary>Exchanges an original beginning for today's; null where none fits.</summary>
    internal string? ToDiffusers(string name)
    {
        foreach ((string original, string diffusers) in pairs)
            if (name.StartsWith(original, StringComparison.Ordinal)) return diffusers + name[original.Length..];
        return null;
    }

    /// <summary>Exchanges today's beginning for the original one; null where none fits.</summary>
    internal string? ToOriginal(string name)
    {
        foreach ((string original, string diffusers) in pairs)
            if (name.StartsWith(diffusers, StringComparison.Ordinal)) return original + name[diffusers.Length..];
        return null;
    }
}
