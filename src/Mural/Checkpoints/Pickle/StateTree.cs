using System.Numerics;
using System.Text.Json.Nodes;

namespace Mural.Checkpoints.Pickle;

/// <summary>
/// Flattens nested dictionaries to names: tensors as <c>optimizer.state.0.exp_avg</c>, plain values beside them as <c>optimizer.param_groups[0].lr</c>.
/// Objects may contain each other many times over, even themselves; depth and the sum of all names are bounded by the pickle's length.
/// </summary>
internal sealed class StateTree
{
    // Each name is worth its length and this much for the entry itself.
    private const int EntryCost = 8;

    // How many times the pickle's own length all names together may have: keys are stored once but repeated in every name below them.
    private const long CostPerByte = 64;

    private readonly CheckpointLimits _limits;
    private readonly Dictionary<PickleSequence, bool> _plain = new(ReferenceEqualityComparer.Instance);
    private long _budget;

    private StateTree(CheckpointLimits limits, int pickleBytes)
    {
        _limits = limits;
        _budget = (pickleBytes + 1024) * CostPerByte;
    }

    internal Dictionary<string, PickleTensor> Tensors { get; } = [];

    internal Dictionary<string, JsonNode?> Values { get; } = [];

    /// <exception cref="PickleException">Names repeat or have no end, or there is no dictionary but an object of a model's class.</exception>
    internal static StateTree Flatten(PickleResult pickle, CheckpointLimits limits)
    {
        var tree = new StateTree(limits, pickle.Bytes);
        switch (pickle.Value)
        {
            case PickleObject { Type: { } type, Items.Count: 0 }:
                throw new PickleException($"it holds a whole object of the class {Quote.Name(type.ToString())} instead of its weights", "save model.state_dict()");
            case PickleObject root:
                tree.VisitRoot(root);
                break;
            case PickleTensor:
                tree.Visit(pickle.Value, "tensor", 0, weights: true);
                break;
            case PickleSequence:
                tree.Visit(pickle.Value, "", 0, weights: true);
                break;
            default:
                throw new PickleException("it holds neither a dictionary nor tensors", "choose a file saved from model.state_dict()");
        }
        return tree;
    }

    // Training frameworks keep the weights under state_dict, beside optimizer states that nobody loads for inference.
    private void VisitRoot(PickleObject root)
    {
        PickleObject? weights = Weights(root) ?? (Child(root, "model") is { } model ? Weights(model) : null);
        if (weights is not null) Visit(weights, "", 0, weights: true);
        foreach ((object? key, object? value) in root.Items)
            if (weights is null || !ReferenceEquals(value, weights)) Visit(value, Key(key), 1, weights: weights is null);
    }

    private static PickleObject? Weights(PickleObject parent) =>
        Child(parent, "state_dict") is { } found && found.Items.Any(item => item.Value is PickleTensor) ? found : null;

    private static PickleObject? Child(PickleObject parent, string name) =>
        parent.Items.LastOrDefault(item => item.Key is string key && key == name).Value as PickleObject;

    private void Visit(object? value, string path, int depth, bool weights)
    {
        Spend(path, depth);
        switch (value)
        {
            case PickleTensor tensor when weights:
                if (!Tensors.TryAdd(path, tensor)) throw new PickleException($"it holds two tensors named {Quote.Name(path)}");
                break;
            case PickleObject items:
                foreach ((object? key, object? item) in items.Items) Visit(item, path.Length == 0 ? Key(key) : $"{path}.{Key(key)}", depth + 1, weights);
                break;
            case PickleSequence sequence when IsPlain(sequence, depth):
                Values[path] = Json(sequence, path, depth);
                break;
            case PickleSequence sequence:
                for (int i = 0; i < sequence.Items.Count; i++) Visit(sequence.Items[i], $"{path}[{i}]", depth + 1, weights);
                break;
            case null or bool or long or BigInteger or double or string or PickleGlobal:
                Values[path] = Json(value, path, depth);
                break;
        }
    }

    private bool IsPlain(PickleSequence sequence, int depth)
    {
        CheckDepth(depth);
        if (_plain.TryGetValue(sequence, out bool known)) return known;
        bool plain = sequence.Items.All(item => item switch
        {
            null or bool or long or BigInteger or double or string => true,
            PickleSequence inner => IsPlain(inner, depth + 1),
            _ => false,
        });
        _plain[sequence] = plain;
        return plain;
    }

    private JsonNode? Json(object? value, string path, int depth)
    {
        if (value is not PickleSequence sequence) return Scalar(value);
        var array = new JsonArray();
        foreach (object? item in sequence.Items)
        {
            Spend("", depth + 1);
            array.Add(Json(item, path, depth + 1));
        }
        return array;
    }

    // JSON has no infinities and no integers beyond 64 bits: these are kept as text.
    private static JsonNode? Scalar(object? value) => value switch
    {
        bool flag => flag,
        long integer => integer,
        double number when double.IsFinite(number) => number,
        string text => text,
        _ => value?.ToString(),
    };

    private static string Key(object? key) => key switch
    {
        string text => text,
        true => "True",
        false => "False",
        null => "None",
        long or BigInteger or double or PickleGlobal => key.ToString()!,
        PickleSequence { Items: var items } when items.All(item => item is string or long) && items.Count < 16 => $"({string.Join(", ", items)})",
        _ => throw new PickleException("it names an entry by something other than text or a number"),
    };

    private void Spend(string path, int depth)
    {
        CheckDepth(depth);
        if (path.Length > _limits.NameLength) throw new PickleException($"it holds a name of more than {_limits.NameLength} characters");
        _budget -= path.Length + EntryCost;
        if (_budget < 0) throw new PickleException("its dictionaries contain each other so often that their names fill the memory");
    }

    private void CheckDepth(int depth)
    {
        if (depth > _limits.Depth) throw new PickleException($"it is nested deeper than the {_limits.Depth} levels that are accepted");
    }
}
