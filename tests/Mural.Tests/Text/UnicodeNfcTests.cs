using Mural.Text;

namespace Mural.Tests.Text;

public class UnicodeNfcTests
{
    [Theory]
    [InlineData("cafe\u0301", "caf\u00E9")]
    [InlineData("\u212B\u2126", "\u00C5\u03A9")]
    [InlineData("\u1E9B\u0323", "\u1E9B\u0323")]
    [InlineData("q\u0307\u0323", "q\u0323\u0307")]
    [InlineData("D\u0307\u0323", "\u1E0C\u0307")]
    [InlineData("\u0958", "\u0915\u093C")]
    [InlineData("\u1112\u1161\u11AB\u1100\u1173\u11AF", "한글")]
    [InlineData("\uAC00\u11A8", "각")]
    [InlineData("한글", "한글")]
    [InlineData("a\u0301\u0302\u0303", "\u00E1\u0302\u0303")]
    [InlineData("\u0301a", "\u0301a")]
    [InlineData("\U0001D15E", "\U0001D157\U0001D165")]
    [InlineData("\uF900", "\u8C48")]
    [InlineData("\U00011099\U000110BA", "\U0001109A")]
    public void TextIsComposed(string text, string composed) => Assert.Equal(composed, UnicodeNfc.Normalize(text));

    [Fact]
    public void ComposedTextStaysAsItIs()
    {
        for (int point = 0; point < 0x11_0000; point += 7)
        {
            if (point is >= 0xD800 and < 0xE000) continue;
            string once = UnicodeNfc.Normalize("a" + char.ConvertFromUtf32(point));
            Assert.Equal(once, UnicodeNfc.Normalize(once));
        }
    }
}
