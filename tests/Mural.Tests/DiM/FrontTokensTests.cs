using Mural.DiM;
using Mural.Tests.Goldens;

namespace Mural.Tests.DiM;

[Trait("Area", "dim")]
public class FrontTokensTests
{
    public static TheoryData<string> Cases => GoldenCase.Names("dim", golden => golden.Has("in.x2"));

    [GoldenTheory, MemberData(nameof(Cases))]
    public void FrontTokensSeeNothingOfThePicture(string name)
    {
        using GoldenCase golden = GoldenCase.OpenWithoutGradients("dim", name);
        using DiMModel model = GoldenModels.Load(golden);
        int compared = 0;
        foreach (string input in new[] { "in.x", "in.x2" })
        {
            void Observe(string place, Tensor stream)
            {
                if (!golden.Has("out.front_" + place)) return;
                golden.AssertMatches("out.front_" + place, stream.narrow(1, 0, model.Config.FrontTokens));
                compared++;
            }
            model.Forward(golden.Get(input), golden.Get("in.t"), GoldenModels.Labels(golden), new DiMForwardOptions { Observe = Observe });
        }
        Assert.Equal(2 * golden.Tensors.Keys.Count(key => key.StartsWith("out.front_", StringComparison.Ordinal)), compared);
    }
}
