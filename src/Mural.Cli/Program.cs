using Mural.Cli;
using Mural.Cli.CommandLine;

using var cancellation = new ConsoleCancellation();
return await new MuralApplication(Terminal.OfProcess(), cancellation.Token).RunAsync(args).ConfigureAwait(false);
