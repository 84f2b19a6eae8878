using System.Text.Json.Nodes;
using Mural.Checkpoints;

namespace Mural.Autoencoders;

/// <summary>Architecture of an <see cref="AutoencoderTiny"/>, as its diffusers <c>config.json</c> states it. The defaults are TAESD's.</summary>
public sealed record AutoencoderTinyConfig
{
    /// <summary>Channels of the picture that goes in (<c>in_channels</c>).</summary>
    public int InChannels { get; init; } = 3;

    /// <summary>Channels of the picture that comes out (<c>out_channels</c>).</summary>
    public int OutChannels { get; init; } = 3;

    /// <summary>Channels of the latent (<c>latent_channels</c>).</summary>
    public int LatentChannels { get; init; } = 4;

    /// <summary>Channels inside the encoder, the same at every resolution (<c>encoder_block_out_channels</c>).</summary>
    public int EncoderChannels { get; init; } = 64;

    /// <summary>Channels inside the decoder, the same at every resolution (<c>decoder_block_out_channels</c>).</summary>
    public int DecoderChannels { get; init; } = 64;

    /// <summary>Residual blocks of the encoder at each resolution, from the picture's to the latent's (<c>num_encoder_blocks</c>).</summary>
    public IReadOnlyList<int> EncoderBlocks { get; init; } = [1, 3, 3, 3];

    /// <summary>Residual blocks of the decoder at each resolution, from the latent's to the picture's (<c>num_decoder_blocks</c>).</summary>
    public IReadOnlyList<int> DecoderBlocks { get; init; } = [3, 3, 3, 1];

    /// <summary>Largest absolute value that a latent stored in 8 bits can have (<c>latent_magnitude</c>).</summary>
    public double LatentMagnitude { get; init; } = 3;

    /// <summary>Where 0 lies in a latent stored in 8 bits, from 0 to 1 (<c>latent_shift</c>).</summary>
    public double LatentShift { get; init; } = 0.5;

    /// <summary>What a latent is multiplied by for the denoiser; TAESD's are the denoiser's own, so 1 (<c>scaling_factor</c>).</summary>
    public double ScalingFactor { get; init; } = 1;

    /// <summary>Pixels of the picture for each position of the latent, along one side.</summary>
    public int Downscale => 1 << (EncoderBlocks.Count - 1);

    /// <summary>Reads a diffusers <c>config.json</c>. Unknown keys are ignored; missing ones have diffusers' defaults.</summary>
    /// <param name="path">The file, or the folder that holds it.</param>
    /// <exception cref="MuralException">The file is missing, is not JSON, or describes an autoencoder that this class cannot build.</exception>
    public static AutoencoderTinyConfig Read(string path)
    {
        ConfigReader json = ConfigReader.Open(path, nameof(AutoencoderTiny));
        json.Require("act_fn", json.Text("act_fn", "relu"), "relu");
        json.Require("upsample_fn", json.Text("upsample_fn", "nearest"), "nearest");
        json.Require("upsampling_scaling_factor", json.Integer("upsampling_scaling_factor", 2).ToString(), "2");
        int[] encoderBlocks = json.List<int>("num_encoder_blocks") ?? [1, 3, 3, 3], decoderBlocks = json.List<int>("num_decoder_blocks") ?? [3, 3, 3, 1];
        var config = new AutoencoderTinyConfig
        {
            InChannels = json.Integer("in_channels", 3),
            OutChannels = json.Integer("out_channels", 3),
            LatentChannels = json.Integer("latent_channels", 4),
            EncoderChannels = Uniform("encoder_block_out_channels", json.List<int>("encoder_block_out_channels"), encoderBlocks.Length),
            DecoderChannels = Uniform("decoder_block_out_channels", json.List<int>("decoder_block_out_channels"), decoderBlocks.Length),
            EncoderBlocks = encoderBlocks,
            DecoderBlocks = decoderBlocks,
            LatentMagnitude = json.Number("latent_magnitude", 3),
            LatentShift = json.Number("latent_shift", 0.5),
            ScalingFactor = json.Number("scaling_factor", 1),
        };
        config.Validate();
        return config;
    }

    /// <summary>The text of a diffusers <c>config.json</c>.</summary>
    public string ToJson()
    {
        var json = new JsonObject
        {
            ["_class_name"] = nameof(AutoencoderTiny),
            ["act_fn"] = "relu",
            ["decoder_block_out_channels"] = ConfigWriter.List(Enumerable.Repeat(DecoderChannels, DecoderBlocks.Count)),
            ["encoder_block_out_channels"] = ConfigWriter.List(Enumerable.Repeat(EncoderChannels, EncoderBlocks.Count)),
            ["force_upcast"] = false,
            ["in_channels"] = InChannels,
            ["latent_channels"] = LatentChannels,
            ["latent_magnitude"] = LatentMagnitude,
            ["latent_shift"] = LatentShift,
            ["num_decoder_blocks"] = ConfigWriter.List(DecoderBlocks),
            ["num_encoder_blocks"] = ConfigWriter.List(EncoderBlocks),
            ["out_channels"] = OutChannels,
            ["scaling_factor"] = ScalingFactor,
            ["shift_factor"] = 0,
            ["upsample_fn"] = "nearest",
            ["upsampling_scaling_factor"] = 2,
        };
        return json.ToJsonString(ConfigWriter.Indented) + "\n";
    }

    /// <exception cref="MuralException">A value is impossible.</exception>
    internal void Validate()
    {
        foreach ((string name, int value) in new[]
        {
            ("in_channels", InChannels), ("out_channels", OutChannels), ("latent_channels", LatentChannels),
            ("encoder_block_out_channels", EncoderChannels), ("decoder_block_out_channels", DecoderChannels),
            ("num_encoder_blocks", EncoderBlocks.Count), ("num_decoder_blocks", DecoderBlocks.Count),
        })
        {
            if (value < 1) throw new MuralException($"The tiny autoencoder's {name} is {value}; it must be at least 1.");
        }
        if (EncoderBlocks.Any(count => count < 0) || DecoderBlocks.Any(count => count < 0))
            throw new MuralException("The tiny autoencoder has a negative number of blocks in num_encoder_blocks or num_decoder_blocks; give 0 or more.");
        if (EncoderBlocks.Count != DecoderBlocks.Count)
            throw new MuralException(
                $"The tiny autoencoder's num_encoder_blocks has {EncoderBlocks.Count} values and num_decoder_blocks {DecoderBlocks.Count}; give the same number.");
        if (!(LatentMagnitude > 0)) throw new MuralException($"The tiny autoencoder's latent_magnitude is {LatentMagnitude}; it must be above 0.");
    }

    private static int Uniform(string key, int[]? channels, int levels)
    {
        channels ??= [64, 64, 64, 64];
        if (channels.Length != levels || channels.Distinct().Count() != 1)
            throw new MuralException($"The tiny autoencoder's {key} is [{string.Join(", ", channels)}]; {levels} equal numbers are expected.");
        return channels[0];
    }
}
