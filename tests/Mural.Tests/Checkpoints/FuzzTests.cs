using System.Diagnostics;
using System.Text;
using Mural.Checkpoints;
using Mural.Tests.Goldens;

namespace Mural.Tests.Checkpoints;

/// <summary>
/// Opens damaged checkpoints by the thousand: each is read or refused with a <see cref="MuralException"/>, in memory bounded by the file's length. With
/// <c>MURAL_FUZZ=full</c> a million safetensors headers and 100,000 archives, otherwise a small share of the same sequence.
/// </summary>
public sealed class FuzzTests(ITestOutputHelper output) : IDisposable
{
    // What opening costs whatever the file holds, and what each of its bytes may cost: an entry's objects, names and messages.
    private const long ManagedBase = 1_000_000, ManagedPerByte = 400;

    private static readonly bool Full = Environment.GetEnvironmentVariable("MURAL_FUZZ") == "full";

    private readonly TemporaryFolder _folder = new(inMemory: true);
    private long _opened, _refused, _mostManaged;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void DamagedSafetensorsHeadersAreReadOrRefused()
    {
        string[] headers = [.. Files("*.safetensors").Select(Header).Where(header => header.Length < 20_000).DistinctBy(header => header.Length).Take(24), Handmade];
        var mutations = new Mutations(20_260);
        Run(Full ? 1_000_000 : 2_000, "a.safetensors", () =>
        {
            string header = headers[mutations.Next(headers.Length)], donor = headers[mutations.Next(headers.Length)];
            int data = mutations.Next(3) == 0 ? mutations.Next(4096) : DataBytes(header);
            if (mutations.Next(2) == 0) header = mutations.Renumber(header);
            byte[] bytes = Mutations.Utf8(header);
            return mutations.Safetensors(mutations.Next(3) == 0 ? bytes : mutations.Damage(bytes, Mutations.Utf8(donor)), data);
        });
    }

    [Fact]
    public void DamagedTorchFilesAreReadOrRefused()
    {
        string[] paths = [.. Files("*.pth").Where(path => new FileInfo(path).Length < 20_000)];
        byte[][] files = [.. paths.Select(File.ReadAllBytes)], good = [.. paths.Where(Opens).Select(File.ReadAllBytes)];
        Assert.SkipWhen(GoldenCase.RootIsGiven && good.Length == 0, "the golden cases given have no good files of torch.save");
        Assert.NotEmpty(good);
        var mutations = new Mutations(20_261);
        Run(Full ? 100_000 : 400, "a.pth", () =>
        {
            byte[] file = mutations.Next(4) == 0 ? files[mutations.Next(files.Length)] : good[mutations.Next(good.Length)];
            byte[] donor = files[mutations.Next(files.Length)];
            // Half of the time the pickle alone is hit, in an archive that stays whole around it.
            return mutations.Next(2) == 0 ? mutations.Damage(file, donor) : TorchPickles.Damage(file, pickle => mutations.Damage(pickle, donor)) ?? mutations.Damage(file, donor);
        });
    }

    private const string Handmade = """
        {"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[24,28]},
        """ + """
        "c":{"dtype":"U16","shape":[],"data_offsets":[28,30]},"d":{"dtype":"BOOL","shape":[0,9],"data_offsets":[30,30]},"\u00e9":{"dtype":"C64","shape":[1],"data_offsets":[30,38]}}
        """;

    private void Run(int cases, string name, Func<byte[]> next)
    {
        string path = _folder.At(name);
        var watch = Stopwatch.StartNew();
        for (int i = 0; i < cases; i++)
        {
            byte[] content = next();
            // A new file each time: some file systems flush one that is written over.
            File.Delete(path);
            File.WriteAllBytes(path, content);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                Open(path, content.Length);
            }
            catch (MuralException error)
            {
                _refused++;
                Assert.InRange(error.Message.Length, 20, 4000);
            }
            catch (Exception error) when (error is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"Case {i} threw {error}\n{Convert.ToBase64String(content)}");
            }
            long managed = GC.GetAllocatedBytesForCurrentThread() - before;
            _mostManaged = Math.Max(_mostManaged, managed);
            Assert.True(managed <= ManagedBase + ManagedPerByte * content.Length, $"Case {i} of {content.Length} bytes took {managed} bytes\n{Convert.ToBase64String(content)}");
        }
        output.WriteLine($"{cases} files in {watch.Elapsed.TotalSeconds:F0} s: {_opened} read, {_refused} refused, at most {_mostManaged / 1024} KiB managed for one.");
        Assert.NotEqual(0, _opened);
        Assert.NotEqual(0, _refused);
    }

    private static bool Opens(string path)
    {
        try
        {
            Checkpoint.Open(path).Dispose();
            return true;
        }
        catch (MuralException)
        {
            return false;
        }
    }

    private void Open(string path, long length)
    {
        using ITensorSource source = Checkpoint.Open(path);
        _opened++;
        long native = 0;
        foreach (TensorEntry entry in source.Tensors.Values)
        {
            Assert.InRange(entry.Bytes, 0, length);
            using Tensor tensor = source.Read(entry.Name);
            Assert.Equal(entry.Elements, tensor.numel());
            native += entry.Bytes;
        }
        Assert.InRange(native, 0, length * CheckpointLimits.Default.Expansion);
        Assert.Equal(source.Tensors.Count, CheckpointSummary.Of(source).TensorCount);
    }

    private static IEnumerable<string> Files(string pattern) => Directory.GetFiles(GoldenCase.At("dim"), pattern, SearchOption.AllDirectories).Order(StringComparer.Ordinal);

    private static string Header(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        return Encoding.UTF8.GetString(file, 8, BitConverter.ToInt32(file));
    }

    // The largest end among the offsets: with as much data the header is right.
    private static int DataBytes(string header)
    {
        long most = 0;
        foreach (string part in header.Split("\"data_offsets\":[").Skip(1))
            if (long.TryParse(
                    part.AsSpan(part.IndexOf(',', StringComparison.Ordinal) + 1, part.IndexOf(']', StringComparison.Ordinal) - part.IndexOf(',', StringComparison.Ordinal) - 1),
                    out long end))
                most = Math.Max(most, end);
        return (int)Math.Min(most, 100_000);
    }
}
