using Mural.Cli.CommandLine;
using Mural.Cli.Machine;

namespace Mural.Cli.Commands;

/// <summary><c>mural doctor</c>: what this machine offers, what Mural chose and why.</summary>
internal sealed class DoctorCommand : SynchronousMuralCommand
{
    private readonly RunOptions _run = new();

    internal DoctorCommand() : base("doctor", "Show what this machine offers, what Mural chooses on it and why, and how fast it multiplies matrices.") => _run.AddTo(this);

    internal override IReadOnlyList<string> Examples => ["doctor", "doctor --precision f32 --threads 1", "doctor --json"];

    private protected override object? Run(CommandContext context)
    {
        MachineReport report = MachineReport.Create(_run.Read(context), context.Cancellation);
        foreach ((string name, string value) in report.Lines()) context.Say($"{name,-12} {value}");
        return report;
    }
}
