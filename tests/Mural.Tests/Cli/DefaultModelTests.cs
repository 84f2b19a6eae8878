using Mural.Cli.Painting;

namespace Mural.Tests.Cli;

public class DefaultModelTests
{
    [Fact]
    public void TheDefaultModelIsTheOneThatCameWithTheProgram()
    {
        ModelFolder model = ModelCatalog.Find(null);
        Assert.Equal((ModelCatalog.Default, true), (model.Name, model.BuiltIn));
    }

    [Fact]
    public void AFolderThatIsNoModelIsSaidToBeNone()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("without model_index.json", Assert.Throws<MuralException>(() => ModelCatalog.Find(folder.Path)).Message, StringComparison.Ordinal);
        Assert.Contains("no model nowhere", Assert.Throws<MuralException>(() => ModelCatalog.Find("nowhere")).Message, StringComparison.Ordinal);
    }
}
