using Mural.Evaluation;

namespace Mural.Tests.Evaluation;

public sealed class CaptionRetrievalTests
{
    [Fact]
    public void CaptionsWithTheSameWordsAreOne()
    {
        var table = new CaptionTable([[2, 1], [1, 2, 2], [3]]);
        Assert.Equal(2, table.MostCandidates);
        Assert.Equal(0, table.RowOf([1, 2]));
        Assert.Equal(2, table.RowOf([7]));
        Assert.Equal(2, table.MostCandidates);
        Assert.Equal([[1, 2], [3], [7]], table.Captions);
    }

    [Fact]
    public void CandidatesAreTheOwnCaptionAndDistinctOthers()
    {
        var table = new CaptionTable(Enumerable.Range(0, 50).Select(word => new[] { word }));
        var seen = new HashSet<int>();
        for (int own = 0; own < 50; own++)
        {
            int[] candidates = table.Candidates(own, 10);
            Assert.Equal(own, candidates[0]);
            Assert.Equal(10, candidates.Distinct().Count());
            Assert.All(candidates, row => Assert.InRange(row, 0, 49));
            seen.UnionWith(candidates[1..]);
        }
        Assert.Equal(50, seen.Count);
        Assert.Equal(Enumerable.Range(0, 50), table.Candidates(20, 50).Order());
    }

    [Fact]
    public void ACaptionMeetsTheSameCandidatesWhateverElseIsJudged()
    {
        int[][] listed = [.. Enumerable.Range(0, 50).Select(word => new[] { word })];
        CaptionTable one = new(listed), other = new(listed);
        int early = one.RowOf([3, 4]);
        other.RowOf([5, 6]);
        int late = other.RowOf([3, 4]);
        Assert.Equal(one.Candidates(early, 12)[1..], other.Candidates(late, 12)[1..]);
        Assert.NotEqual(one.Candidates(1, 12)[1..], one.Candidates(2, 12)[1..]);
        // What is not listed is no candidate for others.
        Assert.DoesNotContain(early, one.Candidates(7, 50));
    }

    [Fact]
    public void RanksCountTheCandidatesThatFitAsWell()
    {
        using var scope = NewDisposeScope();
        var table = new CaptionTable([[0], [1], [2]]);
        // Pictures that point at caption 0, between 0 and 1, and at 2.
        Tensor captions = tensor(new[] { 1f, 0, 0, 1, -1, 0 }).view(3, 2);
        float half = MathF.Sqrt(0.5f);
        Tensor pictures = tensor(new[] { 1f, 0, half, half, -1, 0, -1, 0 }).view(4, 2);
        CaptionRetrieval found = CaptionRetrieval.Of(pictures, captions, table, [0, 1, 2, 0], 3);
        Assert.Equal([1, 2, 1, 3], found.Ranks);
        Assert.Equal((0, 2, 2), (found.Best[0], found.Best[2], found.Best[3]));
        Assert.Equal(0.5, found.Found);
        Assert.Equal(0.25, found.StandardError, 1e-12);
        Assert.Equal(1.75, found.MeanRank);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void ThereAreNoMoreCandidatesThanCaptions(int candidates)
    {
        using var scope = NewDisposeScope();
        var table = new CaptionTable([[0], [1], [2]]);
        MuralException problem = Assert.Throws<MuralException>(() => CaptionRetrieval.Of(ones(1, 2), ones(3, 2), table, [0], candidates));
        Assert.Contains("2 to 3 are possible", problem.Message, StringComparison.Ordinal);
    }
}
