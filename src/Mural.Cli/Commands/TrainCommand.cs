using System.CommandLine;

namespace Mural.Cli.Commands;

/// <summary><c>mural train</c>: trains a part of a model.</summary>
internal sealed class TrainCommand : Command
{
    internal TrainCommand() : base("train", "Train an autoencoder, a DiM, a UNet or a judge as a settings file says.")
    {
        Add(new TrainPartCommand(Name, "dim", "Train a DiM, the network that paints.", "dim.json"));
        Add(new TrainPartCommand(Name, "unet", "Train a text-to-image UNet of Stable Diffusion's architecture with its text encoder.", "unet.json"));
        Add(new TrainPartCommand(Name, "vae", "Train an autoencoder, which turns pictures into latents and back.", "vae.json"));
        Add(new TrainPartCommand(Name, "judge", "Train a judge, which tells how well pictures show their words.", "judge.json"));
    }
}
