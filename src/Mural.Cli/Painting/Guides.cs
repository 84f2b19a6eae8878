using Mural.Adapters;
using Mural.Imaging;
using Mural.Pipelines;

namespace Mural.Cli.Painting;

/// <summary>Loads the ControlNets and IP-Adapters that a command line names, for a model that is loaded.</summary>
internal static class Guides
{
    /// <summary>The ControlNets.</summary>
    /// <exception cref="MuralException">There is no such network or picture, or it does not suit the model.</exception>
    internal static async Task<IReadOnlyList<ControlInput>> LoadAsync(StableDiffusionPipeline pipeline, IReadOnlyList<ControlArgument> controls, CancellationToken cancellation)
    {
        var inputs = new List<ControlInput>();
        foreach (ControlArgument control in controls)
        {
            Picture map = PictureReader.Read(control.Image);
            string path = ControlCatalog.Find(control.Type, pipeline.Suits);
            inputs.Add(new ControlInput(await pipeline.LoadControlNetAsync(path, cancellation).ConfigureAwait(false), map)
            {
                Scale = control.Scale,
                Start = control.Start,
                End = control.End,
                GuessMode = control.Guess,
            });
        }
        return inputs;
    }

    /// <summary>The IP-Adapters, with the pictures that the result resembles.</summary>
    /// <param name="pipeline">The model.</param>
    /// <param name="prompts">The adapters.</param>
    /// <param name="model">The model's folder, in which an image encoder may lie.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="MuralException">There is no such adapter or picture, or it does not suit the model.</exception>
    internal static async Task<IReadOnlyList<PicturePrompt>> LoadAsync(
        StableDiffusionPipeline pipeline, IReadOnlyList<PicturePromptArgument> prompts, string model, CancellationToken cancellation)
    {
        var loaded = new List<PicturePrompt>();
        foreach (PicturePromptArgument prompt in prompts)
        {
            Picture picture = PictureReader.Read(prompt.Image);
            IpAdapter adapter = await pipeline.LoadIpAdapterAsync(prompt.Model, prompt.FindEncoder(model), cancellation).ConfigureAwait(false);
            loaded.Add(new PicturePrompt(adapter, picture) { Scale = prompt.Scale });
        }
        return loaded;
    }
}
