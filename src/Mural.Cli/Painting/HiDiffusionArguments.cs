using System.CommandLine;
using Mural.Cli.CommandLine;
using Mural.HiDiffusion;

namespace Mural.Cli.Painting;

/// <summary>The options of HiDiffusion.</summary>
internal sealed class HiDiffusionArguments
{
    private const string Name = "--hidiffusion", Off = "off";

    private readonly Option<string?> _preset = new(Name)
    {
        Description = $"Paint with HiDiffusion, for sizes beyond the trained one; "
            + $"without a value it takes the preset for the model and the size, else ={string.Join(", =", HiDiffusionWords.PresetNames)}; ={Off} leaves it out.",
        HelpName = "PRESET",
    };

    private readonly Option<double?> _first = new("--t1") { Description = "Share of the steps with HiDiffusion's main resampling (default: the preset's).", HelpName = "SHARE" };
    private readonly Option<double?> _second = new("--t2")
    {
        Description = "Share of the steps with HiDiffusion's second resampling, for extreme sizes (default: the preset's).",
        HelpName = "SHARE"
    };

    private readonly Option<bool?> _aggressive = new("--aggressive")
    {
        Description = "Whether SDXL begins with HiDiffusion's strided convolution (default: with the preset 2048, unless the model was made for inpainting or --t2 is given).",
        HelpName = "true|false"
    };

    private readonly Option<bool> _noRauNet = new("--no-raunet") { Description = "HiDiffusion without resampling: windows only." };
    private readonly Option<bool> _noWindows = new("--no-window-attention") { Description = "HiDiffusion without windows: resampling only." };
    private readonly Option<bool> _earlier = new("--earlier-upsampler") { Description = "HiDiffusion's smoother up-sampler of April 2024." };

    private readonly bool _switches;

    /// <param name="switches">Whether its parts can be switched off.</param>
    internal HiDiffusionArguments(bool switches = true)
    {
        _switches = switches;
        _preset.CompletionSources.Add([.. HiDiffusionWords.PresetNames]);
        _preset.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var word }] && word != Off && HiDiffusionWords.Preset(word) is null)
                result.AddError($"{Name} takes {string.Join(", ", HiDiffusionWords.PresetNames)} or {Off}, not '{word}'");
        });
        foreach (Option<double?> share in (Option<double?>[])[_first, _second]) share.TakeShare();
    }

    internal IReadOnlyList<Option> All => [_preset, _first, _second, _aggressive, _earlier, .. _switches ? (Option[])[_noRauNet, _noWindows] : []];

    /// <summary>Makes the bare option stand for the preset that suits, and not for the word that comes next on the command line, which is the prompt.</summary>
    internal static IReadOnlyList<string> Complete(IReadOnlyList<string> arguments)
    {
        bool IsPreset(int index) => index < arguments.Count && (arguments[index] == Off || HiDiffusionWords.Preset(arguments[index]) is not null);
        return [.. arguments.Select((word, index) => word == Name && !IsPreset(index + 1) ? $"{Name}={HiDiffusionWords.NameOf(HiDiffusionPreset.Automatic)}" : word)];
    }

    /// <summary>What these options say, over what a picture says that is painted again.</summary>
    /// <exception cref="MuralException">A setting of HiDiffusion is given without HiDiffusion.</exception>
    internal HiDiffusionOptions? Read(CommandContext context, HiDiffusionOptions? repeated)
    {
        string? word = context.Value(_preset);
        if (word == Off) repeated = null;
        HiDiffusionOptions? options = word is null or Off ? repeated : (repeated ?? new HiDiffusionOptions()) with { Preset = HiDiffusionWords.Preset(word)!.Value };
        if (options is null)
        {
            if (All.Skip(1).FirstOrDefault(context.Given) is not { } given) return null;
            throw new MuralException(word == Off
                ? $"{given.Name} is a setting of HiDiffusion, which {Name}={Off} leaves out; give one of the two."
                : $"{given.Name} is a setting of HiDiffusion; give {Name} too.");
        }
        // A flag that is given as false takes back what the picture says.
        bool Chosen(Option<bool> flag, bool kept) => context.Given(flag) ? context.Value(flag) : kept;
        return options with
        {
            T1 = context.Value(_first) ?? options.T1,
            T2 = context.Value(_second) ?? options.T2,
            Aggressive = context.Value(_aggressive) ?? options.Aggressive,
            RauNet = !Chosen(_noRauNet, !options.RauNet),
            WindowAttention = !Chosen(_noWindows, !options.WindowAttention),
            EarlierUpsampler = Chosen(_earlier, options.EarlierUpsampler),
        };
    }
}
