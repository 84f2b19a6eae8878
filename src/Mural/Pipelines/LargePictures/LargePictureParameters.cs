using System.Globalization;
using Mural.Imaging;

namespace Mural.Pipelines;

/// <summary>The settings of an enlargement among those that a picture carries.</summary>
internal static class LargePictureParameters
{
    internal const string UpscaleTo = "Upscale to", Method = "Upscale method", Strength = "Upscale strength", First = "First stage", Dilation = "Dilation";

    internal static GenerationParameters Of(LargePicturePlan plan)
    {
        StableDiffusionPlan first = plan.Stages[0].Plan;
        // Sizes that follow from that of the picture are others where it is repeated at another.
        StableDiffusionRequest asked = first.Request with { Sizes = plan.Request.Picture.Sizes };
        GenerationParameters parameters = StableDiffusionParameters.Of(first with { Request = asked }, plan.Request.Picture.Seed);
        List<KeyValuePair<string, string>> others =
        [
            new(UpscaleTo, $"{plan.Request.Width}x{plan.Request.Height}"),
            new(Method, NameOf(plan.Method)),
            new(Strength, plan.Strength.ToString(CultureInfo.InvariantCulture)),
        ];
        if (plan.Method != UpscaleMethod.SuperResolution) others.Add(new(First, $"{plan.Stages[0].Width}x{plan.Stages[0].Height}"));
        if (plan.Method != UpscaleMethod.SdEdit)
        {
            DilationSettings dilation = plan.Request.Dilation;
            others.Add(new(Dilation, string.Create(CultureInfo.InvariantCulture,
                $"{dilation.SkipExponent}/{dilation.DilatedExponent}/{dilation.BlurExponent}/{dilation.BlurSigma}")));
        }
        return parameters with { Width = plan.Width, Height = plan.Height, Others = [.. parameters.Others, .. others] };
    }

    /// <summary>The word for a method, at the command line too.</summary>
    internal static string NameOf(UpscaleMethod method) => method switch
    {
        UpscaleMethod.HighResolution => "highres",
        UpscaleMethod.SuperResolution => "superres",
        _ => "sdedit",
    };

    /// <summary>The method of a word; null for another word.</summary>
    internal static UpscaleMethod? MethodOf(string? word) => Enum.GetValues<UpscaleMethod>().Cast<UpscaleMethod?>().FirstOrDefault(method => NameOf(method!.Value) == word);
}
