using Mural.DiM;

namespace Mural.Tests.DiM;

public class ConditioningTests
{
    [Fact]
    public void OneWordIsTheClassBitForBit()
    {
        using var scope = NewDisposeScope();
        using DiMModel model = TinyNetwork.Random(TinyNetwork.SmallConfig);
        Tensor input = randn(2, 3, 8, 8), times = tensor(new[] { 10f, 990f });
        Tensor expected = model.Forward(input, times, tensor(new[] { 4L, 0L }));
        AssertEqual(expected, model.Forward(input, times, tensor(new[,] { { 4L }, { 0L } })));
        AssertEqual(expected, model.Forward(input, times, tensor(new[,] { { 4L, -1L, -1L }, { -1L, 0L, -1L } })));
        AssertEqual(expected, model.Forward(input, times, tensor(new[] { 4, 0 })));
    }

    [Fact]
    public void NoWordIsTheNullLabel()
    {
        using var scope = NewDisposeScope();
        using DiMModel model = TinyNetwork.Random(TinyNetwork.SmallConfig);
        Tensor input = randn(2, 3, 8, 8), times = tensor(new[] { 10f, 990f });
        Tensor expected = model.Forward(input, times);
        AssertEqual(expected, model.Forward(input, times, tensor(new[] { 6L, 6L })));
        AssertEqual(expected, model.Forward(input, times, tensor(new[,] { { -1L, -1L }, { 6L, -1L } })));
        AssertEqual(expected, model.Forward(input, times, Vocabulary.ToLabels([[], []])));
    }

    [Fact]
    public void WordsAreAveragedInBothTables()
    {
        using var scope = NewDisposeScope();
        using IDisposable guard = no_grad();
        using DiMModel model = TinyNetwork.Random(TinyNetwork.SmallConfig);
        Tensor input = randn(1, 3, 8, 8);
        Tensor mixed = model.Forward(input, tensor(10f), tensor(new[,] { { 1L, 2L, 4L, -1L } }));
        AssertEqual(mixed, model.Forward(input, tensor(10f), tensor(new[,] { { 1L, 2L, 4L } })));
        foreach (string table in new[] { "label_emb.weight", "adaln_single.emb.class_embedder.embedding_table.weight" })
        {
            Tensor rows = model.named_parameters().Single(entry => entry.name == table).parameter;
            rows[3].copy_((rows[1] + rows[2] + rows[4]) / 3);
        }
        Assert.True(allclose(mixed, model.Forward(input, tensor(10f), tensor(new[] { 3L })), atol: 1e-5));
    }

    [Fact]
    public void EveryWordOfABagLearnsItsShare()
    {
        using var scope = NewDisposeScope();
        using DiMModel model = TinyNetwork.Random(TinyNetwork.SmallConfig);
        model.Forward(randn(1, 3, 8, 8), tensor(10f), tensor(new[,] { { 1L, 4L, -1L } })).square().sum().backward();
        foreach (string table in new[] { "label_emb.weight", "adaln_single.emb.class_embedder.embedding_table.weight" })
        {
            Tensor gradient = model.named_parameters().Single(entry => entry.name == table).parameter.grad!;
            Assert.True(gradient[1].equal(gradient[4]).all().item<bool>());
            Assert.True(gradient[1].abs().sum().item<float>() > 0);
            Assert.Equal(0, gradient[0].abs().sum().item<float>() + gradient[6].abs().sum().item<float>());
        }
    }

    private static void AssertEqual(Tensor expected, Tensor actual) => Assert.True(expected.equal(actual).all().item<bool>());
}
