using System.Buffers.Binary;
using System.Text;
using Mural.Checkpoints;

namespace Mural.Tests.Checkpoints;

public sealed class SafetensorsHeaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // Header, bytes of data, and what the message must say.
    public static TheoryData<string, int, string> Malformations => new()
    {
        { "[]", 0, "does not begin with a brace" },
        { " {}", 0, "does not begin with a brace" },
        { "{", 0, "not valid JSON" },
        { "{} x", 0, "not valid JSON" },
        { "{\"a\":1,}", 0, "not described by an object" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},}", 4, "not valid JSON" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "'a' twice" },
        { "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype twice" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "shape twice" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"data_offsets\":[0,4]}}", 4, "data_offsets twice" },
        { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ twice" },
        { "{\"__metadata__\":[]}", 0, "__metadata__ is not an object" },
        { "{\"__metadata__\":{\"a\":1}}", 0, "'a' is not text" },
        { "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, "metadata holds 'a' twice" },
        { "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no dtype" },
        { "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "no shape" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "no data_offsets" },
        { "{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype of the tensor 'a' is not text" },
        { "{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "unknown type 'F33'" },
        { "{\"a\":{\"dtype\":\"F4\",\"shape\":[8],\"data_offsets\":[0,4]}}", 4, "type F4, which is not supported" },
        { "{\"a\":{\"dtype\":\"F6_E2M3\",\"shape\":[16],\"data_offsets\":[0,12]}}", 12, "type F6_E2M3, which is not supported" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4, "shape of the tensor 'a' is not a list" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, "other than a 64-bit integer" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1e0],\"data_offsets\":[0,4]}}", 4, "other than a 64-bit integer" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[\"1\"],\"data_offsets\":[0,4]}}", 4, "other than a 64-bit integer" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}", 4, "other than a 64-bit integer" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "negative number -1" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "more than 8 dimensions" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "1 data_offsets instead of two" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "more than two data_offsets" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "negative number -4" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "before it begins" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4, "ends at byte 8" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[9223372036854775804,9223372036854775807]}}", 4, "ends at byte" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "takes 8 bytes but has 4" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", 4, "more elements than can be counted" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,4]}}", 4, "more elements than can be counted" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "hole of 4 bytes" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}", 6, "'a' and 'b' overlap" },
        { "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, "overlap" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 5, "1 bytes follow the last tensor" },
        { "{}", 1, "1 bytes follow the last tensor" },
        { "{\"\\ud800\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "surrogate" },
        { "{\"a\":" + new string('[', 100) + new string(']', 100) + "}", 0, "not described by an object" },
        { "{\"a\":{\"x\":" + new string('[', 100) + new string(']', 100) + "}}", 0, "not valid JSON" },
    };

    [Theory, MemberData(nameof(Malformations))]
    public void EveryMalformationHasItsOwnMessage(string header, int dataBytes, string message) => AssertRefused(Bytes(header, dataBytes), message);

    [Fact]
    public void BrokenLengthsAreRefused()
    {
        AssertRefused([], "is empty");
        AssertRefused([1, 2, 3], "has 3 bytes");
        AssertRefused(new byte[8], "header is empty");
        AssertRefused(new byte[16], "header is empty");
        AssertRefused([.. Bytes("{}", 0).AsSpan(0, 9)], "the file ends after 1");
        AssertRefused([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, .. "{}"u8], "18446744073709551615 bytes");
        AssertRefused([0x01, 0xE1, 0xF5, 0x05, 0, 0, 0, 0, .. "{}"u8], "100000001 bytes where at most 100000000");
        AssertRefused([.. Bytes("{\"?\":1}", 0).Select(value => value == (byte)'?' ? (byte)0xFF : value)], "not UTF-8");
    }

    [Fact]
    public void PathsWithoutAFileAreRefused()
    {
        Assert.Contains("does not exist", Assert.Throws<MuralException>(() => SafetensorsFile.Open(_folder.At("absent"))).Message, StringComparison.Ordinal);
        Assert.Contains("does not exist", Assert.Throws<MuralException>(() => SafetensorsFile.Open(_folder.At("no/such/folder"))).Message, StringComparison.Ordinal);
        Assert.Contains("is a folder", Assert.Throws<MuralException>(() => SafetensorsFile.Open(_folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AFileWithoutPermissionIsRefused()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess, "Permissions do not bind this user.");
        string path = _folder.At("a.safetensors");
        File.WriteAllBytes(path, Bytes("{}", 0));
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.None);
        Assert.Contains("may not be read", Assert.Throws<MuralException>(() => SafetensorsFile.Open(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LimitsArePassedIn()
    {
        string path = Write(Bytes("{\"abc\":{\"dtype\":\"U8\",\"shape\":[1,1,1],\"data_offsets\":[0,1]}}   ", 1));
        SafetensorsFile.Open(path, new CheckpointLimits { Rank = 3 }).Dispose();
        Assert.Throws<MuralException>(() => SafetensorsFile.Open(path, new CheckpointLimits { Rank = 2 }));
        Assert.Throws<MuralException>(() => SafetensorsFile.Open(path, new CheckpointLimits { NameLength = 2 }));
        Assert.Throws<MuralException>(() => SafetensorsFile.Open(path, new CheckpointLimits { HeaderBytes = 20 }));
    }

    [Fact]
    public void UnpaddedHeadersScalarsAndEmptyTensorsAreRead()
    {
        using var scope = NewDisposeScope();
        // 3 spaces: data begins at an odd address, unaligned for every type.
        string header = "{\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4],\"comment\":{\"x\":[1]}},"
            + "\"e\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[4,4]},\"b\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[4,6]}}";
        while ((header.Length + 8) % 8 != 1) header += ' ';
        byte[] bytes = Bytes(header, 6);
        BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(8 + header.Length), 2.5f);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(12 + header.Length), 0x3F80);
        using SafetensorsFile file = SafetensorsFile.Open(Write(bytes));
        Assert.Equal(2.5f, file.Read("s").item<float>());
        Assert.Equal([0L, 3L], file.Read("e").shape);
        Assert.Equal(1f, file.Read("b", ScalarType.Float32).item<float>());
        Assert.Contains("no tensor named 'missing'", Assert.Throws<MuralException>(() => file.Read("missing")).Message, StringComparison.Ordinal);
        Assert.Contains("[0, 3]", Assert.Throws<MuralException>(() => file.CopyInto("e", zeros(3))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NothingIsAllocatedForWhatAHeaderMerelyClaims()
    {
        string path = Write(Bytes("{\"a\":{\"dtype\":\"F32\",\"shape\":[1000000000,1000],\"data_offsets\":[0,4000000000000]}}", 4));
        Assert.Throws<MuralException>(() => SafetensorsFile.Open(path));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<MuralException>(() => SafetensorsFile.Open(path));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
    }

    internal static byte[] Bytes(string header, int dataBytes)
    {
        byte[] json = Encoding.UTF8.GetBytes(header), file = new byte[8 + json.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(file, json.Length);
        json.CopyTo(file, 8);
        return file;
    }

    private void AssertRefused(byte[] content, string message)
    {
        string path = Write(content);
        var error = Assert.Throws<MuralException>(() => SafetensorsFile.Open(path));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
    }

    private string Write(byte[] content)
    {
        string path = _folder.At("a.safetensors");
        File.WriteAllBytes(path, content);
        return path;
    }
}
