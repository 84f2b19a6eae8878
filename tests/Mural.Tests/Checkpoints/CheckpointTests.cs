using Mural.Checkpoints;
using Mural.Checkpoints.Pickle;

namespace Mural.Tests.Checkpoints;

public sealed class CheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void FormatsAreRecognisedByContentNotByName()
    {
        string safetensors = WriteSafetensors("weights.pth"), torch = WriteTorch("weights.safetensors");
        Assert.Equal("safetensors", FormatOf(safetensors));
        Assert.Equal("PyTorch zip", FormatOf(torch));
    }

    [Theory]
    [InlineData(0x4B50)] // PK, as a zip archive begins
    [InlineData(0x0280)] // the instruction that begins a pickle
    [InlineData(0x7B)] // a brace
    [InlineData(0x3C)] // the bracket of a web page
    public void ALengthThatLooksLikeAnotherKindIsNone(int headerBytes)
    {
        string path = _folder.At("a");
        File.WriteAllBytes(path, SafetensorsHeaderTests.Bytes("{}".PadRight(headerBytes), 0));
        Assert.Equal("safetensors", FormatOf(path));
    }

    // As the cache of the hub's own tools keeps them.
    [Fact]
    public void ALinkIsReadAsItsTarget()
    {
        if (OperatingSystem.IsWindows()) return;
        string file = WriteSafetensors("blob"), link = _folder.At("link.safetensors"), empty = _folder.Write("nothing", []);
        File.CreateSymbolicLink(link, file);
        Assert.Equal(new FileInfo(file).Length, FileBytes.LengthOf(link));
        Assert.Equal("safetensors", FormatOf(link));
        Assert.True(SafetensorsHeader.Mentions(link, "a"));
        File.CreateSymbolicLink(_folder.At("empty.safetensors"), empty);
        Assert.Contains("is empty", Assert.Throws<MuralException>(() => Checkpoint.Open(_folder.At("empty.safetensors"))).Message, StringComparison.Ordinal);
        File.CreateSymbolicLink(_folder.At("broken.safetensors"), _folder.At("gone"));
        Assert.Contains("does not exist", Assert.Throws<MuralException>(() => Checkpoint.Open(_folder.At("broken.safetensors"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TheSummaryGivesTheFigures()
    {
        using ITensorSource source = Checkpoint.Open(WriteSafetensors("a.safetensors"));
        CheckpointSummary summary = CheckpointSummary.Of(source);
        Assert.Equal("safetensors", summary.Format);
        Assert.Equal(3, summary.TensorCount);
        Assert.Equal(13, summary.Parameters);
        Assert.Equal(32, summary.Bytes);
        Assert.Equal([new("F16", 2), new("I64", 1)], summary.Types);
        Assert.Equal("pt", summary.Metadata["format"]);
        Assert.Empty(summary.Values);
        using ITensorSource torch = Checkpoint.Open(WriteTorch("b.pth"));
        Assert.Equal(7, CheckpointSummary.Of(torch).Values["step"]!.GetValue<long>());
    }

    [Theory]
    [InlineData("model.safetensors", "model.safetensors", "model.bin", "config.json")]
    [InlineData("nnet_ema.pth", "nnet_ema.pth", "nnet.pth")]
    [InlineData("model.safetensors", "model.safetensors", "model.fp16.safetensors")]
    [InlineData("only.ckpt", "only.ckpt", "readme.txt")]
    public void AFolderIsOpenedWhereItHoldsOneCheckpoint(string expected, params string[] files)
    {
        foreach (string file in files)
        {
            if (file.EndsWith(".safetensors", StringComparison.Ordinal)) WriteSafetensors(file);
            else WriteTorch(file);
        }
        using ITensorSource source = Checkpoint.Open(_folder.Path);
        Assert.Equal(_folder.At(expected), source.Path);
    }

    [Fact]
    public void AFolderWithNoneOrSeveralCheckpointsIsRefused()
    {
        Assert.Contains("holds no checkpoint", Assert.Throws<MuralException>(() => Checkpoint.Open(_folder.Path)).Message, StringComparison.Ordinal);
        WriteSafetensors("a.safetensors");
        WriteSafetensors("b.safetensors");
        Assert.Contains("a.safetensors, b.safetensors", Assert.Throws<MuralException>(() => Checkpoint.Open(_folder.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<!DOCTYPE html><html></html>", "web page")]
    [InlineData("\uFEFF  <html></html>", "web page")]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull")]
    [InlineData("GGUF\u0003\0\0\0", "GGUF")]
    [InlineData("Invalid username or password.", "plain text")]
    [InlineData("Not Found\r\n", "plain text")]
    public void WhatDownloadsLeaveIsNamed(string content, string message)
    {
        string path = _folder.At("model.safetensors");
        File.WriteAllText(path, content);
        Assert.Contains(message, Assert.Throws<MuralException>(() => Checkpoint.Open(path)).Message, StringComparison.Ordinal);
        Assert.Contains(message, Assert.Throws<MuralException>(() => SafetensorsFile.Open(path)).Message, StringComparison.Ordinal);
        Assert.Contains(message, Assert.Throws<MuralException>(() => TorchFile.Open(path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a picture", "89504E470D0A1A0A0000000D49484452")]
    [InlineData("a picture", "FFD8FFE000104A46494600010100")]
    [InlineData("a picture", "52494646010200005745425056503820")]
    [InlineData("an archive", "526172211A0701003392B5E5")]
    [InlineData("an archive", "377ABCAF271C0004")]
    [InlineData("an archive", "1F8B0800000000000003")]
    public void FilesOfOtherKindsAreNamed(string message, string content)
    {
        string path = _folder.Write("model.safetensors", Convert.FromHexString(content));
        Assert.Contains(message, Assert.Throws<MuralException>(() => Checkpoint.Open(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ATorchFileIsCopiedToSafetensors()
    {
        string path = _folder.At("copy.safetensors");
        using (ITensorSource torch = Checkpoint.Open(WriteTorch("b.pth"))) SafetensorsWriter.Save(path, torch, new Dictionary<string, string> { ["from"] = "b.pth" });
        using SafetensorsFile copy = SafetensorsFile.Open(path);
        Assert.Equal("b.pth", copy.Metadata["from"]);
        using Tensor weight = copy.Read("w");
        Assert.Equal([1, 2, 3, 4], weight.bytes.ToArray());
    }

    private static string FormatOf(string path)
    {
        using ITensorSource source = Checkpoint.Open(path);
        return source.Format;
    }

    private string WriteSafetensors(string name)
    {
        using var scope = NewDisposeScope();
        string path = _folder.At(name);
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor>
        {
            ["a"] = zeros([4, 3], ScalarType.Float16),
            ["b"] = tensor(5L),
            ["c"] = zeros([0, 2], ScalarType.Float16),
        });
        return path;
    }

    private string WriteTorch(string name)
    {
        string path = _folder.At(name);
        byte[] pickle = new PickleBuilder().Op(PickleOpcode.EmptyDict).Text("w").Tensor("0", "ByteStorage", 4, 0, [4], [1]).Op(PickleOpcode.SetItem)
            .Text("step").Integer(7).Op(PickleOpcode.SetItem).ToArray();
        File.WriteAllBytes(path, TorchZip.Build(pickle, ("0", [1, 2, 3, 4])));
        return path;
    }
}
