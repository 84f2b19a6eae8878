// Paints one picture with a model of Stable Diffusion, showing progress, and stops cleanly at Ctrl-C.
// Usage: dotnet run -c Release --project samples/TextToImage -- MODEL "a red fox in the snow" fox.png
using Mural;
using Mural.Imaging;
using Mural.Pipelines;

if (args is not [var model, var prompt, var file])
{
    Console.Error.WriteLine("usage: TextToImage MODEL PROMPT FILE");
    return 2;
}

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    stop.Cancel();
};

try
{
    await using StableDiffusionPipeline pipeline = await StableDiffusionPipeline.LoadAsync(model, cancellationToken: stop.Token);
    var request = new StableDiffusionRequest { Prompt = prompt, NegativePrompt = "blurry", Steps = 25, Sampler = "dpmpp-2m", Schedule = "karras", Seed = 7 };
    var progress = new Progress<StableDiffusionProgress>(step => Console.Write($"\r{step.Stage} {step.Done}/{step.Count}   "));
    StableDiffusionPicture painted = (await pipeline.GenerateAsync(request, progress, stop.Token))[0];
    PictureWriter.Write(file, painted.Picture, metadata: PictureMetadata.Of(painted.Parameters, null));
    Console.WriteLine($"\r{file}   ");
    return 0;
}
catch (MuralException problem)
{
    Console.Error.WriteLine(problem.Message);
    return 1;
}
catch (OperationCanceledException)
{
    return 130;
}
