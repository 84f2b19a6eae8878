using System.Runtime.CompilerServices;
using Mural.Runtime;

namespace Mural.Tests;

internal static class TestSetup
{
    // Tests touch TorchSharp before any type of Mural.
    [ModuleInitializer]
    internal static void PrepareNativeLibraries() => NativeLibraries.Prepare();
}
