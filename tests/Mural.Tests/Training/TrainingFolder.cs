using System.Globalization;
using System.Text.Json.Nodes;
using Mural.Checkpoints;
using Mural.Imaging;
using Mural.Tests.Goldens;
using Mural.Training;

namespace Mural.Tests.Training;

/// <summary>A folder with a few pictures and the settings of tiny trainings on them; gone after the test.</summary>
internal sealed class TrainingFolder : IDisposable
{
    internal const int Pictures = 12;

    /// <summary>A pixel model of the classes that the sub-folders are.</summary>
    internal const string ClassesOfPixels = """
        {
          "kind": "dim", "run": "run", "steps": 20, "batch": 2, "accumulation": 2, "precision": "float32", "device": "cpu",
          "data": { "folder": "pictures", "size": 16, "flip": true },
          "model": { "width": 16, "blocks": 3, "d_state": 4, "pad_len": 1, "patch_size": 4 },
          "label_dropout": 0.3,
          "optimizer": { "learning_rate": 1e-2 }, "schedule": { "warmup_steps": 3 }, "ema": { "decay": 0.9 },
          "sheet": { "pictures": 4, "steps": 3 }, "sheet_minutes": 0, "log_steps": 1
        }
        """;

    /// <summary>A latent model of words, on the goldens' tiny autoencoder, with everything switched on.</summary>
    internal const string WordsOfLatents = """
        {
          "kind": "dim", "run": "run", "steps": 20, "batch": 4, "precision": "float32", "device": "cpu",
          "data": { "index": "list.jsonl", "size": 32, "flip": true },
          "autoencoder": "vae", "vocabulary": "vocabulary.txt", "style_words": ["flat", "3d"],
          "model": { "width": 16, "blocks": 3, "d_state": 4, "pad_len": 1, "pad_layout": "rho_pad" },
          "label_dropout": 0.2, "word_dropout": 0.2, "style_dropout": 0.3, "min_snr_gamma": 5, "round_inputs": true, "gradient_checkpointing": true,
          "optimizer": { "learning_rate": 1e-2 }, "schedule": { "warmup_steps": 3 }, "ema": { "decay": 0.9, "warmup": true },
          "sheet": { "pictures": 4, "steps": 3 }, "sheet_minutes": 0, "log_steps": 1
        }
        """;

    /// <summary>A UNet with its text encoder on the goldens' tiny autoencoder, with everything switched on.</summary>
    internal const string Captions = """
        {
          "kind": "unet", "run": "run", "steps": 20, "batch": 2, "accumulation": 2, "precision": "float32", "device": "cpu",
          "data": { "index": "list.jsonl", "size": 32, "flip": true },
          "autoencoder": "vae", "style_words": ["flat", "3d"], "prediction": "v_prediction",
          "model": { "block_out_channels": [8, 16], "norm_num_groups": 4, "head_channels": 4 },
          "text": { "width": 16, "layers": 2, "heads": 2, "vocabulary": 530, "max_length": 8 },
          "label_dropout": 0.2, "word_dropout": 0.2, "word_shuffle": 0.5, "style_dropout": 0.3, "balance": 0.5, "min_snr_gamma": 5,
          "optimizer": { "learning_rate": 1e-2 }, "schedule": { "warmup_steps": 3 }, "ema": { "decay": 0.9, "warmup": true },
          "sheet": { "pictures": 4, "steps": 2 }, "sheet_minutes": 0, "log_steps": 1
        }
        """;

    internal const string Autoencoder = """
        {
          "kind": "vae", "run": "run", "steps": 20, "batch": 4, "precision": "float32", "device": "cpu",
          "data": { "folder": "pictures", "size": 16, "flip": true, "held_out": 0.2 },
          "model": { "block_out_channels": [8, 8], "norm_num_groups": 4 },
          "optimizer": { "learning_rate": 1e-3 }, "schedule": { "warmup_steps": 3 }, "ema": { "decay": 0.9 },
          "sheet_minutes": 0, "log_steps": 1
        }
        """;

    /// <summary>A judge of words.</summary>
    internal const string Judge = """
        {
          "kind": "judge", "run": "run", "steps": 20, "batch": 3, "accumulation": 2, "precision": "float32", "device": "cpu",
          "data": { "index": "list.jsonl", "size": 16, "flip": true },
          "vocabulary": "vocabulary.txt",
          "model": { "block_out_channels": [8, 16], "norm_num_groups": 4, "word_width": 8, "embedding_size": 8 },
          "optimizer": { "learning_rate": 1e-3 }, "schedule": { "warmup_steps": 3 }, "ema": { "decay": 0.9 },
          "sheet_minutes": 0, "log_steps": 1
        }
        """;

    private readonly string _path = Directory.CreateTempSubdirectory("mural-training-").FullName;

    internal TrainingFolder()
    {
        var lines = new List<string>();
        for (int i = 0; i < Pictures; i++)
        {
            string kind = i % 3 == 0 ? "flat" : "3d", shape = i % 2 == 0 ? "heart" : "star", file = $"pictures/{shape}/{i:D2}.png";
            WritePicture(file, 20 + i % 4, i);
            lines.Add(string.Create(CultureInfo.InvariantCulture, $$"""{"file": "{{file}}", "words": ["{{shape}}", "{{kind}}"], "split": "{{(i == 5 ? "test" : "train")}}"}"""));
        }
        WriteText("list.jsonl", string.Join('\n', lines));
        WriteText("vocabulary.txt", "heart\nstar\nflat\n3d\n");
        Directory.CreateDirectory(At("vae"));
        foreach (string file in Directory.GetFiles(Path.Combine(GoldenCase.Model("tiny-sd15"), "vae"))) File.Copy(file, At("vae/" + Path.GetFileName(file)));
    }

    internal string At(string name) => Path.Combine(_path, name);

    internal string WriteText(string name, string text)
    {
        File.WriteAllText(At(name), text);
        return At(name);
    }

    /// <summary>A picture with a slope of its own in each direction.</summary>
    internal void WritePicture(string name, int side, int number, int channels = 3)
    {
        var picture = new Picture(side, side, channels);
        for (int i = 0; i < picture.Data.Length; i++)
        {
            int x = i / channels % side, y = i / channels / side;
            picture.Data[i] = (byte)(x * (5 + number) + y * (3 + number * 2) + i % channels * 40);
        }
        PictureWriter.Write(At(name), picture);
    }

    /// <summary>Settings with some values changed; a name with dots goes into objects, null takes a key away.</summary>
    internal TrainingConfig Settings(string settings, params (string Key, JsonNode? Value)[] changes)
    {
        JsonObject json = JsonNode.Parse(settings)!.AsObject();
        foreach ((string key, JsonNode? value) in changes)
        {
            string[] path = key.Split('.');
            JsonObject owner = path[..^1].Aggregate(json, (at, name) => (at[name] ??= new JsonObject()).AsObject());
            if (value is null) owner.Remove(path[^1]);
            else owner[path[^1]] = value;
        }
        return TrainingConfig.Read(WriteText($"settings-{Guid.NewGuid():N}.json", json.ToJsonString()));
    }

    /// <summary>Trains, and stops after a step if one is given.</summary>
    internal static TrainingOutcome Train(TrainingConfig config, long? stopAfter = null, Action<TrainingProgress>? watch = null)
    {
        using var stop = new CancellationTokenSource();
        return Trainer.Run(config, progress =>
        {
            watch?.Invoke(progress);
            if (progress.Message is null && progress.Step == stopAfter) stop.Cancel();
        }, stop.Token);
    }

    internal string Checkpoint(string run, long step) => At($"{run}/checkpoints/step-{step:D9}");

    /// <summary>Losses by step, from a run's log.</summary>
    internal Dictionary<long, double> Losses(string run) => File.ReadLines(At($"{run}/log.jsonl")).Select(line => JsonNode.Parse(line)!)
        .Where(line => line["loss"] is not null).ToDictionary(line => line["step"]!.GetValue<long>(), line => line["loss"]!.GetValue<double>());

    internal Dictionary<string, Tensor> Weights(string run, long step)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(Checkpoint(run, step), "model.safetensors"));
        return file.Tensors.Keys.ToDictionary(name => name, name => file.Read(name));
    }

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
