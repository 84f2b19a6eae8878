using Mural.Imaging;

namespace Mural.Report;

/// <summary>How far pictures are from each other.</summary>
internal static class PictureDifference
{
    /// <summary>The mean squared difference of two pictures' channels, from 0 to 1.</summary>
    /// <param name="mine">The picture that a message names first.</param>
    /// <param name="theirs">The other one.</param>
    /// <exception cref="MuralException">They have different sizes.</exception>
    internal static double MeanSquare((string File, Picture Picture) mine, (string File, Picture Picture) theirs)
    {
        byte[] first = mine.Picture.ToRgb().Data, second = theirs.Picture.ToRgb().Data;
        if (first.Length != second.Length) throw new MuralException($"'{mine.File}' and '{theirs.File}' are of different sizes; paint both alike.");
        double sum = 0;
        for (int i = 0; i < first.Length; i++)
        {
            double difference = (first[i] - second[i]) / 255.0;
            sum += difference * difference;
        }
        return sum / first.Length;
    }
}
