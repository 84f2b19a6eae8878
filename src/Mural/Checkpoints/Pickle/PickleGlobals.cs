using System.Collections.Frozen;

namespace Mural.Checkpoints.Pickle;

/// <summary>
/// What becomes of the classes and functions that a pickle names. A few have a meaning (dictionaries, tensors, sets); instances of other classes stay inert
/// placeholders, because Lightning and others leave their objects beside the weights; functions are accepted only by name. Modules that exist to touch the
/// machine have no place in a checkpoint and are refused as soon as they are named.
/// </summary>
internal static class PickleGlobals
{
    /// <summary>Characters of a module's or a class's name.</summary>
    internal const int LongestName = 512;

    private static readonly FrozenSet<string> Dictionaries =
        FrozenSet.Create("collections.OrderedDict", "collections.defaultdict", "collections.Counter", "builtins.dict", "__builtin__.dict");

    private static readonly FrozenSet<string> Sequences = FrozenSet.Create(
        "torch.Size", "builtins.set", "builtins.frozenset", "builtins.list", "builtins.tuple",
        "__builtin__.set", "__builtin__.frozenset", "__builtin__.list", "__builtin__.tuple", "collections.deque");

    // The types among Python's built-in names; the functions beside them (eval, exec, getattr, ...) are what attacks call.
    private static readonly FrozenSet<string> SafeBuiltins = FrozenSet.Create(
        "set", "frozenset", "list", "tuple", "dict", "bytearray", "bytes", "complex", "slice", "range", "xrange", "int", "long", "float", "bool", "str", "unicode", "object");

    // Functions and constructors whose result is plain data of no interest here.
    private static readonly FrozenSet<string> Harmless = FrozenSet.Create(
        "_codecs.encode", "copyreg._reconstructor", "copy_reg._reconstructor", "argparse.Namespace", "types.SimpleNamespace", "uuid.UUID", "decimal.Decimal",
        "fractions.Fraction", "torch.device", "torch.Generator", "torch.serialization._get_layout", "numpy.dtype", "numpy.ndarray",
        "numpy.core.multiarray.scalar", "numpy.core.multiarray._reconstruct", "numpy._core.multiarray.scalar", "numpy._core.multiarray._reconstruct",
        "numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer", "easydict.EasyDict", "ml_collections.config_dict.config_dict.ConfigDict");

    private static readonly string[] HarmlessFamilies =
        ["pytorch_lightning.", "lightning.", "lightning_fabric.", "omegaconf.", "datetime.", "pathlib.", "numpy.random.", "transformers.", "diffusers.", "accelerate."];

    // Packages (all that lies below them too) that run programs, import code, open files or connections, or reach into the interpreter.
    private static readonly FrozenSet<string> Refused = FrozenSet.Create(
        "os", "posix", "nt", "posixpath", "ntpath", "subprocess", "_posixsubprocess", "popen2", "commands", "pty", "sys", "builtins", "__builtin__", "runpy",
        "importlib", "_frozen_importlib", "_frozen_importlib_external", "imp", "_imp", "zipimport", "pkgutil", "pydoc", "site", "shutil", "tempfile", "glob",
        "socket", "_socket", "ssl", "asyncio", "socketserver", "select", "http", "httplib", "urllib", "urllib2", "requests", "aiohttp", "httpx", "ftplib",
        "smtplib", "poplib", "imaplib", "telnetlib", "xmlrpc", "webbrowser", "pickle", "_pickle", "cPickle", "pickletools", "dill", "cloudpickle", "joblib",
        "shelve", "marshal", "ctypes", "_ctypes", "cffi", "mmap", "fcntl", "resource", "signal", "_signal", "threading", "_thread", "thread",
        "multiprocessing", "_multiprocessing", "concurrent", "sched", "atexit", "gc", "io", "_io", "fileinput", "linecache", "code", "codeop", "compileall",
        "py_compile", "ast", "inspect", "dis", "opcode", "timeit", "cProfile", "profile", "pstats", "pdb", "bdb", "trace", "tracemalloc", "doctest",
        "unittest", "test", "idlelib", "tkinter", "turtle", "venv", "ensurepip", "pip", "setuptools", "pkg_resources", "distutils", "platform",
        "operator", "_operator", "functools", "_functools", "itertools", "types", "weakref", "getpass", "crypt", "pwd", "grp", "winreg", "_winreg",
        "msvcrt", "_winapi", "sqlite3", "logging", "nturl2path", "lib2to3", "bsddb", "torch.hub", "torch.jit", "torch.package", "torch._C", "torch.ops",
        "torch.utils.cpp_extension", "torch.utils.data", "torch.utils.collect_env", "torch._dynamo", "torch._inductor", "torch.distributed", "torch.multiprocessing",
        "torch.serialization", "numpy.testing", "numpy.f2py", "numpy.distutils", "numpy.lib", "numpy.load", "pandas", "IPython", "paramiko", "fabric", "docker");

    /// <summary>Whether a class is a module that is nothing but a dictionary of tensors, in which the first program for textual inversions kept its vectors.</summary>
    internal static bool IsParameterDictionary(PickleGlobal type) => type is { Module: "torch.nn.modules.container", Name: "ParameterDict" };

    internal static bool IsNamespace(PickleGlobal type) => type is { Module: "argparse", Name: "Namespace" } or { Module: "types", Name: "SimpleNamespace" };

    /// <summary>Takes note of a name.</summary>
    /// <exception cref="PickleException">The name has no place in a checkpoint.</exception>
    internal static PickleGlobal Refer(string module, string name)
    {
        if (module.Length is 0 or > LongestName || name.Length is 0 or > LongestName)
            throw new PickleException($"it holds a name that is empty or longer than {LongestName} characters");
        var global = new PickleGlobal(module, name);
        string full = global.ToString();
        bool safe = Harmless.Contains(full) || (module is "builtins" or "__builtin__" && SafeBuiltins.Contains(name));
        if (!safe && IsRefused(full))
            throw new PickleException($"it refers to {Quote.Name(full)}, which can run code or reach the machine and has no place in a checkpoint", "do not trust this file");
        return global;
    }

    /// <summary>What a call of the function would give, without calling anything.</summary>
    /// <exception cref="PickleException">The function is not one whose result is data.</exception>
    internal static object Call(PickleGlobal function, PickleSequence arguments, CheckpointLimits limits)
    {
        string name = function.ToString();
        if (PickleTensors.Rebuilds(name)) return PickleTensors.Rebuild(name, arguments, limits);
        if (Dictionaries.Contains(name))
        {
            // A factory of default values is all that may be given: contents follow as items.
            if (arguments.Items is [] or [PickleGlobal or null]) return PickleObject.Dictionary();
            throw new PickleException($"it makes a {name} from arguments, as Python 2 did", "save it again with a newer PyTorch");
        }
        if (Sequences.Contains(name)) return arguments.Items is [PickleSequence items, ..] ? items : new PickleSequence();
        if (Harmless.Contains(name) || name.StartsWith("builtins.", StringComparison.Ordinal) || name.StartsWith("__builtin__.", StringComparison.Ordinal)
            || Array.Exists(HarmlessFamilies, family => name.StartsWith(family, StringComparison.Ordinal)))
            return PickleObject.Of(function, arguments);
        if (name.StartsWith("torch.", StringComparison.Ordinal))
            throw new PickleException($"it holds something made by {Quote.Name(name)}, which is not supported", "save plain dense tensors");
        throw new PickleException($"it calls {Quote.Name(name)}, which is not among the functions that checkpoints need", "save a plain state dict");
    }

    /// <summary>An instance of a class: a dictionary, or an inert placeholder.</summary>
    internal static PickleObject Create(PickleGlobal type, PickleSequence arguments) =>
        Dictionaries.Contains(type.ToString()) ? PickleObject.Dictionary() : PickleObject.Of(type, arguments);

    private static bool IsRefused(string full)
    {
        for (int end = full.IndexOf('.', StringComparison.Ordinal); end >= 0; end = full.IndexOf('.', end + 1))
            if (Refused.Contains(full[..end])) return true;
        return Refused.Contains(full);
    }
}
