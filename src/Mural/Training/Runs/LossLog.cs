using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mural.Training;

/// <summary>The run's log: one JSON object a line.</summary>
internal sealed class LossLog
{
    private readonly string _path;

    private LossLog(string path, List<(long Step, double Loss)> points)
    {
        _path = path;
        Points = points;
    }

    /// <summary>Step and loss of every line.</summary>
    internal List<(long Step, double Loss)> Points { get; }

    /// <summary>Opens the log and drops the lines after <paramref name="step"/>: a resumed run makes those steps again.</summary>
    internal static LossLog Open(string path, long step)
    {
        var points = new List<(long, double)>();
        if (File.Exists(path))
        {
            var kept = new List<string>();
            foreach (string line in File.ReadLines(path))
            {
                if (Parse(line) is not var (at, loss) || at > step) continue;
                kept.Add(line);
                if (loss is double value) points.Add((at, value));
            }
            string staged = path + ".tmp";
            File.WriteAllLines(staged, kept);
            File.Move(staged, path, overwrite: true);
        }
        return new LossLog(path, points);
    }

    internal void Add(long step, IEnumerable<(string Name, double Value)> values)
    {
        var line = new JsonObject { ["step"] = step };
        foreach ((string name, double value) in values)
        {
            line[name] = double.IsFinite(value) ? double.Round(value, 10) : null;
            if (name == "loss" && double.IsFinite(value)) Points.Add((step, value));
        }
        File.AppendAllText(_path, line.ToJsonString() + "\n");
    }

    // A line that a kill cut short is not JSON and is dropped.
    private static (long Step, double? Loss)? Parse(string line)
    {
        try
        {
            JsonNode? node = JsonNode.Parse(line);
            return node?["step"] is JsonNode step ? (step.GetValue<long>(), node["loss"]?.GetValue<double>()) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
