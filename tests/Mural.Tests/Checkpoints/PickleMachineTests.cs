using System.Numerics;
using Mural.Checkpoints;
using Mural.Checkpoints.Pickle;

namespace Mural.Tests.Checkpoints;

public class PickleMachineTests
{
    [Fact]
    public void ValuesComeAsData()
    {
        byte[] pickle =
        [
            0x80, 4, 0x95, 0, 0, 0, 0, 0, 0, 0, 0, (byte)'(', // PROTO 4, FRAME, MARK
            (byte)'N', 0x88, 0x89, // None, True, False
            (byte)'J', 0xFE, 0xFF, 0xFF, 0xFF, (byte)'K', 200, (byte)'M', 1, 2, // -2, 200, 513
            0x8A, 0, 0x8A, 1, 0x80, 0x8A, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x8B, 1, 0, 0, 0, 7, // 0, -128, 2^64, 7
            (byte)'G', 0x3F, 0xF8, 0, 0, 0, 0, 0, 0, // 1.5
            0x8C, 2, 0xC3, 0xA9, 0x8D, 1, 0, 0, 0, 0, 0, 0, 0, (byte)'x', (byte)'U', 1, 0xE9, (byte)'T', 1, 0, 0, 0, (byte)'y', // é x é y
            (byte)'C', 1, 9, (byte)'B', 1, 0, 0, 0, 8, // two byte strings
            (byte)'t', (byte)'.',
        ];
        var values = Assert.IsType<PickleSequence>(Read(pickle).Value);
        Assert.Equal(
            [null, true, false, -2L, 200L, 513L, 0L, -128L, BigInteger.Pow(2, 64), 7L, 1.5, "é", "x", "é", "y", new byte[] { 9 }, new byte[] { 8 }],
            values.Items);
        Assert.Equal(pickle.Length, Read(pickle).Bytes);
    }

    [Fact]
    public void ContainersAreFilledAndSharedThroughTheMemo()
    {
        // x = [1, 2, 3]; {"a": x, "b": x, "c": {4}, "d": (5,), "e": ()}
        byte[] pickle = new PickleBuilder()
            .Op(PickleOpcode.EmptyDict, PickleOpcode.Mark).Text("a").Op(PickleOpcode.EmptyList).Raw((byte)PickleOpcode.BinPut, 7)
            .Integer(1).Op(PickleOpcode.Append, PickleOpcode.Mark).Integer(2).Integer(3).Op(PickleOpcode.Appends)
            .Text("b").Raw((byte)PickleOpcode.BinGet, 7)
            .Op(PickleOpcode.SetItems).Text("c").Op(PickleOpcode.EmptySet, PickleOpcode.Mark).Integer(4).Op(PickleOpcode.AddItems, PickleOpcode.SetItem)
            .Op(PickleOpcode.Mark).Text("d").Integer(5).Op(PickleOpcode.Tuple1).Text("e").Op(PickleOpcode.EmptyTuple, PickleOpcode.SetItems)
            .Op(PickleOpcode.None, PickleOpcode.Dup, PickleOpcode.Pop, PickleOpcode.Pop, PickleOpcode.Mark, PickleOpcode.None, PickleOpcode.PopMark)
            .ToArray();
        IReadOnlyList<KeyValuePair<object?, object?>> items = Assert.IsType<PickleObject>(Read(pickle).Value).Items;
        Assert.Equal(["a", "b", "c", "d", "e"], items.Select(item => item.Key));
        Assert.Same(items[0].Value, items[1].Value);
        Assert.Equal([1L, 2L, 3L], ((PickleSequence)items[0].Value!).Items);
        Assert.Equal([4L], ((PickleSequence)items[2].Value!).Items);
        Assert.Equal([5L], ((PickleSequence)items[3].Value!).Items);
        Assert.Empty(((PickleSequence)items[4].Value!).Items);
    }

    public static TheoryData<byte[], string> Malformed => new()
    {
        { [], "in the middle" },
        { [0x80], "in the middle" },
        { [0x80, 0, (byte)'.'], "protocol 0" },
        { [0x80, 6, (byte)'.'], "protocol 6" },
        { [0x80, 2, (byte)'.'], "too few values" },
        { [0x80, 2, (byte)'N', (byte)'N', (byte)'.'], "leaves values" },
        { [0x80, 2, (byte)'N', (byte)'('], "in the middle" },
        { [0x80, 2, (byte)'N', (byte)'(', (byte)'.'], "too few values" },
        { [0x80, 2, (byte)'0', (byte)'.'], "too few values" },
        { [0x80, 2, (byte)'2', (byte)'.'], "too few values" },
        { [0x80, 2, (byte)'t', (byte)'.'], "no mark" },
        { [0x80, 2, (byte)'N', (byte)'(', 0x85, (byte)'.'], "too few values" },
        { [0x80, 2, (byte)'q', 0, (byte)'.'], "too few values" },
        { [0x80, 2, (byte)'h', 0, (byte)'.'], "never remembered" },
        { [0x80, 2, (byte)'j', 0xFF, 0xFF, 0xFF, 0xFF, (byte)'.'], "never remembered" },
        { [0x80, 2, (byte)'N', (byte)'a', (byte)'.'], "too few values" },
        { [0x80, 2, (byte)'}', (byte)'N', (byte)'a', (byte)'.'], "where a list should be" },
        { [0x80, 2, (byte)']', (byte)'N', (byte)'N', (byte)'s', (byte)'.'], "where a dictionary should be" },
        { [0x80, 2, (byte)'}', (byte)'(', (byte)'N', (byte)'u', (byte)'.'], "a key without a value" },
        { [0x80, 2, (byte)'(', (byte)'N', (byte)'d', (byte)'.'], "a key without a value" },
        { [0x80, 2, (byte)'N', (byte)'N', (byte)'b', (byte)'.'], "attributes of something that has none" },
        { [0x80, 2, (byte)'N', (byte)')', (byte)'R', (byte)'.'], "name of a function" },
        { [0x80, 2, (byte)')', (byte)'N', (byte)'R', (byte)'.'], "tuple of arguments" },
        { [0x80, 2, (byte)'N', (byte)')', 0x81, (byte)'.'], "name of a class" },
        { [0x80, 2, (byte)'N', (byte)'Q', (byte)'.'], "other than a storage" },
        { [0x80, 2, (byte)'c', (byte)'a', (byte)'\n', (byte)'b', (byte)'.'], "without an end" },
        { [0x80, 2, (byte)'c', (byte)'\n', (byte)'b', (byte)'\n', (byte)'.'], "name that is empty" },
        { [0x80, 2, (byte)'X', 0xFF, 0xFF, 0xFF, 0xFF, (byte)'.'], "string of 4294967295 bytes" },
        { [0x80, 2, 0x8D, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, (byte)'.'], "string of 18446744073709551615 bytes" },
        { [0x80, 2, (byte)'X', 9, 0, 0, 0, (byte)'.'], "in the middle" },
        { [0x80, 2, 0x8C, 1, 0xFF, (byte)'.'], "not UTF-8" },
        { [0x80, 2, 0x8B, 0xFF, 0xFF, 0xFF, 0xFF, (byte)'.'], "integer of 4294967295 bytes" },
        { [0x80, 2, (byte)'I', (byte)'1', (byte)'\n', (byte)'.'], "instruction 0x49" },
        { [0x80, 2, (byte)'(', (byte)'i', (byte)'o', (byte)'s', (byte)'\n', (byte)'.'], "instruction 0x69" },
        { [0x80, 2, (byte)'P', (byte)'1', (byte)'\n', (byte)'.'], "instruction 0x50" },
        { [0x80, 2, 0x82, 1, (byte)'.'], "instruction 0x82" },
    };

    [Theory, MemberData(nameof(Malformed))]
    public void MalformedPicklesAreRefused(byte[] pickle, string message) => AssertRefused(pickle, message);

    public static TheoryData<string, string> Dangerous => new()
    {
        { "os", "system" }, { "posix", "system" }, { "nt", "system" }, { "os.path", "join" }, { "subprocess", "Popen" }, { "sys", "exit" }, { "builtins", "eval" },
        { "builtins", "exec" }, { "builtins", "getattr" }, { "builtins", "__import__" }, { "__builtin__", "eval" }, { "__builtin__", "file" }, { "builtins", "open" },
        { "runpy", "run_path" }, { "importlib", "import_module" }, { "shutil", "rmtree" }, { "socket", "create_connection" }, { "pickle", "loads" },
        { "_pickle", "loads" }, { "ctypes", "CDLL" }, { "operator", "attrgetter" }, { "functools", "partial" }, { "types", "CodeType" }, { "io", "open" },
        { "code", "InteractiveInterpreter" }, { "webbrowser", "open" }, { "torch.hub", "load" }, { "torch.jit", "load" }, { "torch.serialization", "load" }, { "numpy", "load" },
        { "numpy.testing._private.utils", "runstring" }, { "multiprocessing.util", "log_to_stderr" },
        { "urllib.request", "urlopen" }, { "os.path.x", "y" }, { "builtins.str", "format" },
    };

    [Theory, MemberData(nameof(Dangerous))]
    public void DangerousNamesAreRefusedHoweverTheyAreUsed(string module, string name)
    {
        AssertRefused(new PickleBuilder().Global(module, name).ToArray(), $"'{module}.{name}'");
        AssertRefused(new PickleBuilder().Global(module, name).Text("echo").Op(PickleOpcode.Tuple1, PickleOpcode.Reduce).ToArray(), $"'{module}.{name}'");
        AssertRefused(new PickleBuilder(4).Text(module).Text(name).Op(PickleOpcode.StackGlobal, PickleOpcode.EmptyTuple, PickleOpcode.NewObj).ToArray(), $"'{module}.{name}'");
    }

    [Theory]
    [InlineData("mypackage", "launch")]
    [InlineData("__main__", "Model")]
    [InlineData("torch._utils", "_rebuild_sparse_tensor")]
    [InlineData("torch", "load")]
    [InlineData("collectionsx", "OrderedDict")]
    public void UnknownFunctionsAreNotCalled(string module, string name) =>
        AssertRefused(new PickleBuilder().Global(module, name).Op(PickleOpcode.EmptyTuple, PickleOpcode.Reduce).ToArray(), $"'{module}.{name}'");

    [Theory]
    [InlineData("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")]
    [InlineData("numpy.core.multiarray", "scalar")]
    [InlineData("numpy", "dtype")]
    [InlineData("_codecs", "encode")]
    [InlineData("omegaconf.dictconfig", "DictConfig")]
    [InlineData("builtins", "slice")]
    [InlineData("torch", "device")]
    public void KnownHarmlessCallsStayInert(string module, string name)
    {
        byte[] pickle = new PickleBuilder().Global(module, name).Text("x").Op(PickleOpcode.Tuple1, PickleOpcode.Reduce, PickleOpcode.EmptyDict, PickleOpcode.Build).ToArray();
        var inert = Assert.IsType<PickleObject>(Read(pickle).Value);
        Assert.Equal(new PickleGlobal(module, name), inert.Type);
        Assert.Empty(inert.Items);
    }

    [Fact]
    public void InstancesOfUnknownClassesStayInert()
    {
        byte[] pickle = new PickleBuilder().Global("mypackage.config", "Config").Op(PickleOpcode.EmptyTuple, PickleOpcode.EmptyDict, PickleOpcode.NewObjEx)
            .Op(PickleOpcode.None, PickleOpcode.Append, PickleOpcode.EmptyDict, PickleOpcode.Build).ToArray();
        Assert.Equal("mypackage.config.Config", Assert.IsType<PickleObject>(Read(pickle).Value).Type!.ToString());
    }

    [Fact]
    public void LimitsHold()
    {
        byte[] lists = new PickleBuilder().Op([.. Enumerable.Repeat(PickleOpcode.EmptyList, 50)]).Op([.. Enumerable.Repeat(PickleOpcode.Append, 49)]).ToArray();
        Read(lists);
        AssertRefused(lists, "more than 49 values", new CheckpointLimits { PickleStack = 49 });
        AssertRefused(lists, "more than 80 instructions", new CheckpointLimits { PickleInstructions = 80 });
        byte[] marks = new PickleBuilder().Op([.. Enumerable.Repeat(PickleOpcode.Mark, 50)]).ToArray();
        AssertRefused(marks, "more than 49 marks", new CheckpointLimits { PickleStack = 49 });
        byte[] memo = new PickleBuilder().Op(PickleOpcode.None).Op([.. Enumerable.Repeat(PickleOpcode.Memoize, 20)]).ToArray();
        Read(memo);
        AssertRefused(memo, "more than 19 objects", new CheckpointLimits { PickleMemo = 19 });
        AssertRefused(new PickleBuilder().Text("long").ToArray(), "string of 4 bytes", new CheckpointLimits { StringBytes = 3 });
        AssertRefused(new PickleBuilder().Integer(1).ToArray(), "integer of 8 bytes", new CheckpointLimits { IntegerBytes = 7 });
    }

    private static PickleResult Read(byte[] pickle, CheckpointLimits? limits = null) => PickleMachine.Read(pickle, limits ?? CheckpointLimits.Default);

    private static void AssertRefused(byte[] pickle, string message, CheckpointLimits? limits = null) =>
        Assert.Contains(message, Assert.Throws<PickleException>(() => Read(pickle, limits)).Message, StringComparison.Ordinal);
}
