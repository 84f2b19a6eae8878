using System.Globalization;
using System.Text.Json.Nodes;
using Mural.Tests.Goldens;
using Mural.Text;

namespace Mural.Tests.Text;

/// <summary>Token ids against transformers' tokenizer. A case is recognised by its rows of texts and ids.</summary>
[Trait("Area", "text")]
public class ClipTokenizerGoldenTests
{
    public static TheoryData<string> Cases => GoldenCase.Names("text", golden => golden.Config["rows"] is JsonArray { Count: > 0 } rows && rows[0]!["ids"] is JsonArray);

    [GoldenTheory, MemberData(nameof(Cases))]
    public void IdsAreThoseOfTransformers(string name)
    {
        using GoldenCase golden = GoldenCase.Open("text", name);
        ClipVocabulary vocabulary = Vocabularies.Of(golden);
        var tokenizer = new ClipTokenizer(vocabulary);
        var exclaiming = new ClipTokenizer(vocabulary, "!");
        foreach (JsonNode row in golden.Config["rows"]!.AsArray()!)
        {
            string text = Text(row);
            int[] ids = Vocabularies.Numbers(row["ids"]!);
            Assert.Equal(ids, Whole(tokenizer, text));
            int[] exclaimed = row["ids_pad_exclamation"] is { } other ? Vocabularies.Numbers(other) : ids;
            Assert.Equal(exclaimed, Whole(exclaiming, text));
        }
    }

    [GoldenTheory, MemberData(nameof(Cases))]
    public void WindowsAreThoseOfTransformers(string name)
    {
        using GoldenCase golden = GoldenCase.Open("text", name);
        ClipVocabulary vocabulary = Vocabularies.Of(golden);
        JsonArray rows = golden.Config["rows"]!.AsArray();
        string[] outputs = [.. golden.Tensors.Keys.Where(tensor => tensor.StartsWith("out.", StringComparison.Ordinal))];
        Assert.NotEmpty(outputs);
        foreach (string output in outputs)
        {
            string about = golden.Json["outputs"]![output]!.GetValue<string>();
            var tokenizer = new ClipTokenizer(vocabulary, about.Contains("'!'", StringComparison.Ordinal) ? "!" : ClipVocabulary.EndToken);
            using Tensor expected = golden.Get(output, int32);
            int[] actual = [.. rows.SelectMany(row => tokenizer.EncodeWindow(Text(row!)))];
            Assert.Equal(expected.data<int>().ToArray(), actual);
        }
    }

    private static int[] Whole(ClipTokenizer tokenizer, string text) => [tokenizer.Begin, .. tokenizer.Encode(text), tokenizer.End];

    // Characters that text cannot carry safely are given as code points too.
    private static string Text(JsonNode row) => row["code_points"] is { } points
        ? string.Concat(points.GetValue<string>().Split(' ').Select(point => char.ConvertFromUtf32(int.Parse(point, NumberStyles.HexNumber, CultureInfo.InvariantCulture))))
        : row["text"]!.GetValue<string>();
}
