using Mural.Hub;

namespace Mural.Tests.Hub;

public class HubOptionsTests
{
    [Fact]
    public void PrintingOptionsKeepsTheToken()
    {
        string text = new HubOptions { Token = "hf_secret", Revision = "main" }.ToString();
        Assert.DoesNotContain("hf_secret", text, StringComparison.Ordinal);
        Assert.Contains("Revision = main", text, StringComparison.Ordinal);
        Assert.Contains("Token = none", new HubOptions().ToString(), StringComparison.Ordinal);
    }
}
