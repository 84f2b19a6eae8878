using Mural.Layers.Strips;

namespace Mural.UNet;

/// <summary>The maps of the way down that the way up joins, in memory or on the disk.</summary>
/// <param name="runner">Runs the layers, and frees what a run that ends early does not take.</param>
/// <param name="folder">Folder for maps that shall not be in memory, or null.</param>
internal sealed class SkipMaps(StripRunner runner, string? folder)
{
    private readonly Stack<FeatureMap> _maps = [];

    /// <summary>Rows of the map that is taken next.</summary>
    internal (long Height, long Width) NextSize => (_maps.Peek().Height, _maps.Peek().Width);

    /// <summary>Keeps a map.</summary>
    /// <returns>Whether the map may be written over, because what is kept is a copy.</returns>
    internal bool Keep(WritableMap map)
    {
        if (folder is null)
        {
            _maps.Push(map);
            return false;
        }
        WritableMap copy = runner.CreateOnDisk(folder, map.Height, map.Width, map.Channels);
        _maps.Push(copy);
        runner.Stream(map, runner.StripRows(map.Width, map.Channels), copy.Write);
        return true;
    }

    /// <summary>The last map that was kept, which belongs to the caller now.</summary>
    internal FeatureMap Take() => _maps.Pop();
}

/// <summary>A map on its way through the network.</summary>
/// <param name="Map">The map.</param>
/// <param name="IsOwn">Whether nobody else needs it: it may be written over and is freed.</param>
internal readonly record struct PassingMap(WritableMap Map, bool IsOwn);
