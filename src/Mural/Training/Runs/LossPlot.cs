using ScottPlot;

namespace Mural.Training;

/// <summary>Draws the loss curve.</summary>
internal static class LossPlot
{
    /// <summary>Writes a PNG with every point of the log and a smoothed line through them.</summary>
    internal static void Write(string path, IReadOnlyList<(long Step, double Loss)> points)
    {
        (long Step, double Loss)[] shown = [.. points.Where(p => p.Loss > 0)];
        if (shown.Length < 2) return;
        double[] steps = [.. shown.Select(p => (double)p.Step)];
        // The axis is logarithmic.
        double[] exponents = [.. shown.Select(p => Math.Log10(p.Loss))];
        using var plot = new Plot();
        var dots = plot.Add.ScatterPoints(steps, exponents);
        dots.MarkerSize = 2;
        dots.Color = Colors.LightSteelBlue;
        dots.LegendText = "loss";
        var line = plot.Add.ScatterLine(steps, Smooth(exponents));
        line.LineWidth = 2;
        line.Color = Colors.DarkBlue;
        line.LegendText = "smoothed";
        plot.Axes.Left.TickGenerator = new ScottPlot.TickGenerators.NumericAutomatic
        {
            LabelFormatter = exponent => Math.Pow(10, exponent).ToString("G3"),
        };
        plot.XLabel("step");
        plot.YLabel("loss");
        plot.ShowLegend(Alignment.UpperRight);
        string staged = path + ".tmp.png";
        plot.SavePng(staged, 1000, 600);
        File.Move(staged, path, overwrite: true);
    }

    // A moving average over a fiftieth of the run so far, whose start is not pulled to zero.
    private static double[] Smooth(double[] values)
    {
        double keep = 1 - 1.0 / Math.Max(1, Math.Min(200, values.Length / 50.0)), average = 0, weight = 0;
        var smoothed = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            average = keep * average + (1 - keep) * values[i];
            weight = keep * weight + (1 - keep);
            smoothed[i] = average / weight;
        }
        return smoothed;
    }
}
