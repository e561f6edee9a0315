using System.Diagnostics.CodeAnalysis;
using System.Reflection;

namespace DePIN.Gateway.Settings;

/// <summary>
/// One section of the settings file bound to its record: the list of its properties that carry a
/// <see cref="SettingAttribute"/>. The properties are kept by the trimmer through the annotation, so this works
/// under NativeAOT without a source generator.
/// </summary>
public sealed class SettingsSection
{
    private readonly Dictionary<string, SettingsKey> _keys = new(StringComparer.Ordinal);

    private SettingsSection(string name, string text, IEnumerable<SettingsKey> keys)
    {
        Name = name;
        Text = text;
        foreach (SettingsKey key in keys) _keys.Add(key.Name, key);
    }

    /// <summary>The section's name in the file, for example <c>mqtt</c>.</summary>
    public string Name { get; }

    /// <summary>What the section is about, one line.</summary>
    public string Text { get; }

    /// <summary>The section's keys, in the order of the record.</summary>
    public IReadOnlyCollection<SettingsKey> Keys => _keys.Values;

    /// <summary>Binds <paramref name="record"/> (whose values are changed in place while the settings are read).</summary>
    public static SettingsSection Of<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] T>(
        string name, string text, T record) where T : class
    {
        ArgumentNullException.ThrowIfNull(record);
        List<SettingsKey> keys = [];
        foreach (PropertyInfo property in typeof(T).GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            SettingAttribute? about = property.GetCustomAttribute<SettingAttribute>();
            if (about is not null) keys.Add(new SettingsKey(name, property, record, about));
        }

        return new SettingsSection(name, text, keys);
    }

    /// <summary>The key of that exact name, or null.</summary>
    public SettingsKey? Find(string key) => _keys.GetValueOrDefault(key);
}

/// <summary>One setting: its place in the file, its type, its documentation, and the record's property behind it.</summary>
public sealed class SettingsKey
{
    private readonly PropertyInfo _property;
    private readonly object _record;

    internal SettingsKey(string section, PropertyInfo property, object record, SettingAttribute about)
    {
        _property = property;
        _record = record;
        About = about;
        Name = char.ToLowerInvariant(property.Name[0]) + property.Name[1..];
        Path = section + "." + Name;
        EnvironmentName = "DEPIN_" + Snake(section) + "_" + Snake(Name);
        Default = property.GetValue(record);
    }

    /// <summary>The key in its section, for example <c>ageMaxS</c>.</summary>
    public string Name { get; }

    /// <summary>Section and key, for example <c>batch.ageMaxS</c>.</summary>
    public string Path { get; }

    /// <summary>The environment variable that overrides it, for example <c>DEPIN_BATCH_AGE_MAX_S</c>.</summary>
    public string EnvironmentName { get; }

    /// <summary>Text, unit, range.</summary>
    public SettingAttribute About { get; }

    /// <summary>The value the record was created with.</summary>
    public object? Default { get; }

    /// <summary><c>string</c>, <c>string[]</c>, <c>bool</c>, <c>int</c>, <c>long</c> or <c>double</c>.</summary>
    public Type Type => _property.PropertyType;

    /// <summary>The value in force.</summary>
    public object? Value => _property.GetValue(_record);

    internal void Set(object value) => _property.SetValue(_record, value);

    private static string Snake(string camel)
    {
        System.Text.StringBuilder text = new();
        foreach (char c in camel)
        {
            if (char.IsUpper(c)) text.Append('_');
            text.Append(char.ToUpperInvariant(c));
        }

        return text.ToString();
    }
}
