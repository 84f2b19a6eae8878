using Mural.Cli;
using Mural.Cli.CommandLine;

using var cancellation = new ConsoleCancellation();
return new MuralApplication(Terminal.OfProcess(), cancellation.Token).Run(args);
