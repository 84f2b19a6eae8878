namespace Mural.Evaluation;

/// <summary>What a judge says of a set of pictures.</summary>
internal sealed record Judgement
{
    /// <summary>Pictures judged.</summary>
    public required int Pictures { get; init; }

    /// <summary>Captions among which each picture's own had to be found.</summary>
    public required int Candidates { get; init; }

    /// <summary>Share of the pictures whose own caption fits best.</summary>
    public required double Found { get; init; }

    /// <summary>Standard error of <see cref="Found"/>.</summary>
    public required double StandardError { get; init; }

    /// <summary>Mean place of the own caption among the candidates, 1 at best.</summary>
    public required double MeanRank { get; init; }

    /// <summary>Fréchet distance of the features to those of the real pictures; null for a single picture.</summary>
    public required double? Distance { get; init; }

    /// <summary>Real pictures behind <see cref="Distance"/>.</summary>
    public required int RealPictures { get; init; }

    /// <summary>Numbers of a feature vector.</summary>
    public required int Features { get; init; }

    /// <summary>What to know about the figures.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }
}
