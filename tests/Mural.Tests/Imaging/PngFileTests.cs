using System.Text.Json.Nodes;
using Mural.Imaging;
using Mural.Tests.Goldens;

namespace Mural.Tests.Imaging;

[Trait("Area", "image")]
public class PngFileTests
{
    private static string Folder => Path.Combine(GoldenCase.Root, "image");

    private static JsonArray? Files(JsonObject json) => json["config"]?["files"] as JsonArray;

    // A case of files has a list of them in its config; damaged ones carry a verdict, good ones pixels.
    private static TheoryData<string, string> Names(bool damaged)
    {
        var names = new TheoryData<string, string>();
        foreach (string caseName in GoldenCase.NamesByJson("image", json => Files(json) is not null).Select(row => row.Data))
            foreach (JsonNode? entry in Files(GoldenCase.ReadJson("image", caseName))!)
                if (entry!["verdict"] is not null == damaged) names.Add(caseName, entry["name"]!.GetValue<string>());
        return names;
    }

    public static TheoryData<string, string> GoodFiles => Names(damaged: false);

    public static TheoryData<string, string> BadFiles => Names(damaged: true);

    internal static JsonNode Entry(string caseName, string file) =>
        Files(GoldenCase.ReadJson("image", caseName))!.Single(entry => entry!["name"]!.GetValue<string>() == file)!;

    [GoldenTheory, MemberData(nameof(GoodFiles))]
    public void GoodFilesHaveTheExactPixels(string caseName, string file)
    {
        using var scope = NewDisposeScope();
        using GoldenCase golden = GoldenCase.Open("image", caseName);
        string path = Path.Combine(Folder, Entry(caseName, file)["file"]!.GetValue<string>());
        Picture picture = PictureReader.Read(path);
        bool grey = Entry(caseName, file)["color_type"]!.GetValue<int>() == 0;
        if (grey && picture.Channels == 1) Assert.All(picture.ToRgb().Data.Chunk(3), pixel => Assert.Equal(pixel[0], pixel[2]));
        GoldenPictures.AssertEqual(golden.Get($"out.{file}.rgba8"), picture.ToRgba());
    }

    [GoldenTheory, MemberData(nameof(BadFiles))]
    public void DamagedFilesGetTheirVerdict(string caseName, string file)
    {
        JsonNode entry = Entry(caseName, file);
        string verdict = entry["verdict"]!.GetValue<string>(), path = Path.Combine(Folder, entry["file"]!.GetValue<string>());
        bool mayReject = verdict.Contains("reject", StringComparison.Ordinal);
        bool mayAccept = verdict.Contains("accept", StringComparison.Ordinal) || verdict.Contains("paint black", StringComparison.Ordinal);
        Assert.True(mayReject || mayAccept, verdict);

        long before = GC.GetAllocatedBytesForCurrentThread();
        // Of the processor, so that a busy machine fails nothing.
        TimeSpan start = Environment.CpuUsage.TotalTime;
        Picture? picture = null;
        MuralException? rejected = Record.Exception(() => picture = PictureReader.Read(path)) switch
        {
            null => null,
            MuralException exception => exception,
            Exception other => throw other,
        };
        Assert.InRange((Environment.CpuUsage.TotalTime - start).TotalSeconds, 0, 1);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2 << 20);
        if (rejected is null)
        {
            Assert.True(mayAccept, $"{file} was accepted, but {verdict}");
            if (verdict.Contains("black", StringComparison.Ordinal)) Assert.Contains(picture!.ToRgb().Data.Chunk(3), pixel => pixel is [0, 0, 0]);
        }
        else
        {
            Assert.True(mayReject, $"{file} was rejected ({rejected.Message}), but {verdict}");
            Assert.Contains(path, rejected.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', rejected.Message);
        }
    }
}
