namespace Mural.Pipelines;

/// <summary>What must hold of every request, whatever paints it.</summary>
internal static class RequestChecks
{
    /// <exception cref="MuralException">No picture, no step, or a guidance that is no number.</exception>
    internal static void CheckNumbers(int count, int? steps, double? guidance)
    {
        if (count < 1) throw new MuralException($"{count} pictures were asked for; ask for at least 1.");
        if (steps is < 1) throw new MuralException($"{steps} steps were asked for; at least 1 is needed.");
        if (guidance is { } scale && !double.IsFinite(scale)) throw new MuralException($"The guidance is {scale}; it must be a number, 1 for none.");
    }

    /// <param name="width">Pixels.</param>
    /// <param name="height">Pixels.</param>
    /// <param name="multiple">What both must be a multiple of.</param>
    /// <param name="model">The model's name.</param>
    /// <exception cref="MuralException">A side is none.</exception>
    internal static void CheckSides(int width, int height, int multiple, string model)
    {
        CheckSide("width", width, multiple, model);
        CheckSide("height", height, multiple, model);
    }

    /// <exception cref="MuralException">The picture does not fit one array.</exception>
    internal static void CheckArea(int width, int height, int upscale = 1)
    {
        if ((long)width * upscale * height * upscale <= Array.MaxLength / 3) return;
        throw new MuralException($"A picture of {width}x{height} pixels{(upscale > 1 ? $" times {upscale}" : "")} is too large for one array; ask for a smaller one.");
    }

    private static void CheckSide(string name, int side, int multiple, string model)
    {
        if (side >= multiple && side % multiple == 0) return;
        int nearest = Math.Max(1, (int)Math.Round(side / (double)multiple)) * multiple;
        throw new MuralException($"The {name} is {side} pixels, but {model} needs a multiple of {multiple}; use {nearest}.");
    }
}
