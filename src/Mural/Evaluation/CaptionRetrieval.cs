using static TorchSharp.torch;

namespace Mural.Evaluation;

/// <summary>How well captions were found.</summary>
/// <param name="Ranks">The place of each picture's own caption among its candidates, from 1.</param>
/// <param name="Best">The row of the caption that fits each picture best among its candidates.</param>
internal sealed record CaptionRetrieval(IReadOnlyList<int> Ranks, IReadOnlyList<int> Best)
{
    /// <summary>Share of the pictures whose own caption is the first.</summary>
    internal double Found => Ranks.Count(rank => rank == 1) / (double)Ranks.Count;

    /// <summary>Standard error of <see cref="Found"/>, as of a coin that was thrown for each picture.</summary>
    internal double StandardError => Math.Sqrt(Found * (1 - Found) / Ranks.Count);

    internal double MeanRank => Ranks.Average();

    /// <summary>Looks for each picture's caption among its candidates by the cosine of their features.</summary>
    /// <param name="pictures">Features of length 1. Shape: <c>[N, E]</c>.</param>
    /// <param name="captions">Features of length 1 of the table's captions. Shape: <c>[M, E]</c>.</param>
    /// <param name="table">The captions.</param>
    /// <param name="own">Row of each picture's caption.</param>
    /// <param name="candidates">Candidates of a picture, its own caption included.</param>
    /// <exception cref="MuralException">There are not so many captions.</exception>
    internal static CaptionRetrieval Of(Tensor pictures, Tensor captions, CaptionTable table, IReadOnlyList<int> own, int candidates)
    {
        RequireCandidates(table, candidates);
        int[] ranks = new int[own.Count], best = new int[own.Count];
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        for (int i = 0; i < own.Count; i++)
        {
            using var inner = NewDisposeScope();
            int[] rows = table.Candidates(own[i], candidates);
            Tensor chosen = captions.index_select(0, tensor(rows.Select(row => (long)row).ToArray(), device: captions.device));
            float[] scores = chosen.mv(pictures[i]).cpu().data<float>().ToArray();
            // A caption that fits exactly as well as the own one counts against it: a judge that cannot tell finds nothing.
            ranks[i] = 1 + scores.Skip(1).Count(score => !(score < scores[0]));
            best[i] = rows[Array.IndexOf(scores, scores.Max())];
        }
        return new CaptionRetrieval(ranks, best);
    }

    /// <exception cref="MuralException">There are not so many captions.</exception>
    internal static void RequireCandidates(CaptionTable table, int candidates)
    {
        if (candidates < 2 || candidates > table.MostCandidates)
            throw new MuralException(
                $"{candidates} candidates were asked for, where the real pictures have {table.MostCandidates} different captions; 2 to {table.MostCandidates} are possible.");
    }
}
