using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace DePIN.Gateway.Operate;

/// <summary>
/// Keeps the log short and its lines whole. Entries of one category and one template are written at most <see cref="PerIntervalMax"/> times an interval, the
/// rest is counted and told as one line when the interval ends; a critical one is always written. Control characters in what comes from outside are
/// written as \uXXXX, so that a device's name cannot make a line of its own or steer a terminal; an exception is written on the entry's one line. An entry without
/// an event id of its own gets one from its template: the same in every run and version that has the text.
/// </summary>
public sealed class LimitedLogs : ILoggerFactory
{
    /// <summary>Entries of one template in an interval.</summary>
    public const int PerIntervalMax = 20;

    /// <summary>Templates counted; beyond it entries share one count.</summary>
    public const int TemplatesMax = 1_024;

    /// <summary>Counts begin anew after it.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private readonly ILoggerFactory _inner;
    private readonly ConcurrentDictionary<(string Category, string Template), Count> _counts = new();
    private readonly Count _others = new();
    private readonly ITimer _timer;

    public LimitedLogs(ILoggerFactory inner, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        _inner = inner;
        _timer = time.CreateTimer(_ => Renew(), null, Interval, Interval);
    }

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new Limited(this, categoryName, _inner.CreateLogger(categoryName));

    /// <inheritdoc/>
    public void AddProvider(ILoggerProvider provider) => _inner.AddProvider(provider);

    /// <summary>What was held back until now is told.</summary>
    public void Dispose()
    {
        _timer.Dispose();
        Renew();
        _inner.Dispose();
    }

    /// <summary>The text with control characters, line separators and direction marks made visible.</summary>
    public static string Visible(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int at = 0;
        while (at < text.Length && !IsHidden(text[at])) at++;
        if (at == text.Length) return text;
        StringBuilder visible = new(text, 0, at, text.Length + 16);
        foreach (char c in text.AsSpan(at))
        {
            if (IsHidden(c)) visible.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}");
            else visible.Append(c);
        }

        return visible.ToString();
    }

    private static bool IsHidden(char c) => char.IsControl(c) || c is '\u2028' or '\u2029' or (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069');

    /// <summary>The event id of a template: 31 bits of FNV-1a over category and text, never 0.</summary>
    public static int IdOf(string category, string template)
    {
        uint hash = 2_166_136_261;
        foreach (char c in $"{category}\n{template}") hash = (hash ^ c) * 16_777_619;
        return (int)(hash & int.MaxValue) is > 0 and int id ? id : 1;
    }

    private bool May(string category, string template)
    {
        if (!_counts.TryGetValue((category, template), out Count? count))
            count = _counts.Count < TemplatesMax ? _counts.GetOrAdd((category, template), static _ => new Count()) : _others;
        return Interlocked.Increment(ref count.Entries) <= PerIntervalMax;
    }

    private void Renew()
    {
        foreach (((string category, string template), Count count) in _counts)
        {
            long entries = Interlocked.Exchange(ref count.Entries, 0);
            Tell(category, template, entries);
            if (entries == 0) _counts.TryRemove(new((category, template), count));
        }

        Tell("DePIN.Gateway", "(various)", Interlocked.Exchange(ref _others.Entries, 0));
    }

    private void Tell(string category, string template, long entries)
    {
        if (entries > PerIntervalMax)
            _inner.CreateLogger(category).LogWarning("{Count} more entries like this one were not written in the last minute: {Template}", entries - PerIntervalMax, Visible(template));
    }

    private sealed class Count
    {
        public long Entries;
    }

    /// <summary>What a formatter writes of an exception is its text: here on one line, and with nothing hidden.</summary>
    private sealed class VisibleException(Exception inner) : Exception(Visible(inner.Message), inner)
    {
        public override string ToString() => Visible(InnerException!.ToString().ReplaceLineEndings(" "));
    }

    private sealed class Limited(LimitedLogs owner, string category, ILogger inner) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => inner.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!inner.IsEnabled(logLevel)) return;
            string template = state is IReadOnlyList<KeyValuePair<string, object?>> { Count: > 0 } parts && parts[^1] is { Key: "{OriginalFormat}", Value: string format } ? format : "(text)";
            if (logLevel < LogLevel.Critical && !owner.May(category, template)) return;
            if (eventId.Id == 0) eventId = new EventId(IdOf(category, template), eventId.Name);
            inner.Log(logLevel, eventId, state, exception is null ? null : new VisibleException(exception), (entry, fault) => Visible(formatter(entry, exception)));
        }
    }
}
