using System.Runtime.CompilerServices;

namespace Mural.Tests.Goldens;

/// <summary>A theory over golden cases: those of the repository must be there, others that <c>MURAL_GOLDENS</c> names may lack a kind.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class GoldenTheoryAttribute : TheoryAttribute
{
    public GoldenTheoryAttribute([CallerFilePath] string? sourceFilePath = null, [CallerLineNumber] int sourceLineNumber = -1) : base(sourceFilePath, sourceLineNumber) =>
        SkipTestWithoutData = GoldenCase.RootIsGiven;
}
