using DePIN.Gateway.Operate;
using Microsoft.Extensions.Logging;

namespace DePIN.Gateway.Tests.Operate;

internal sealed class LimitedLogsTests
{
    [Test]
    public void A_flood_of_one_kind_becomes_twenty_lines_and_a_count_and_critical_ones_all_stay()
    {
        Kept kept = new();
        using (LimitedLogs logs = new(LoggerFactory.Create(logging => logging.AddProvider(kept)), TimeProvider.System))
        {
            ILogger log = logs.CreateLogger("a");
            for (int i = 0; i < 1_000; i++) log.LogWarning("device {Device} misbehaves", i);
            for (int i = 0; i < 100; i++) log.LogCritical("it burns {Where}", i);
            log.LogWarning("another kind");
        }

        Assert.That(kept.Lines.Count(line => line.Contains("misbehaves", StringComparison.Ordinal) && !line.Contains("more entries", StringComparison.Ordinal)), Is.EqualTo(LimitedLogs.PerIntervalMax));
        Assert.That(kept.Lines, Has.One.EqualTo("980 more entries like this one were not written in the last minute: device {Device} misbehaves"));
        Assert.That(kept.Lines.Count(line => line.StartsWith("it burns", StringComparison.Ordinal)), Is.EqualTo(100));
        Assert.That(kept.Lines, Does.Contain("another kind"));
    }

    [Test]
    public void A_name_with_control_characters_cannot_make_a_line_of_its_own_or_steer_a_terminal()
    {
        Kept kept = new();
        using (LimitedLogs logs = new(LoggerFactory.Create(logging => logging.AddProvider(kept)), TimeProvider.System))
            logs.CreateLogger("a").LogInformation("device {Name} came", "x\r\n2026-01-01 crit: all is lost\u001b[2J\u202e\u0085");
        Assert.That(kept.Lines, Is.EqualTo(new[] { "device x\\u000D\\u000A2026-01-01 crit: all is lost\\u001B[2J\\u202E\\u0085 came" }));
    }

    [Test]
    public void An_exception_cannot_forge_a_line_either_and_every_kind_of_entry_has_an_id_that_stays()
    {
        Kept kept = new();
        using (LimitedLogs logs = new(LoggerFactory.Create(logging => logging.AddProvider(kept)), TimeProvider.System))
        {
            ILogger log = logs.CreateLogger("a");
            log.LogError(new IOException("x\r\ncrit: all is lost\u001b[2J", new InvalidOperationException("y\nwarn: more")), "device {Name} failed", 1);
            log.LogError("device {Name} failed", 2);
            log.LogError("another kind");
            log.LogError(new EventId(7), "its own id");
        }

        Assert.That(kept.Faults.Single(), Does.Not.Contain('\n').And.Not.Contain('\r').And.Not.Contain('\u001b').And.Contains("all is lost\\u001B[2J").And.Contains("warn: more"));
        Assert.That(kept.Ids, Is.EqualTo(new[] { LimitedLogs.IdOf("a", "device {Name} failed"), LimitedLogs.IdOf("a", "device {Name} failed"), LimitedLogs.IdOf("a", "another kind"), 7 }));
        Assert.That(LimitedLogs.IdOf("a", "device {Name} failed"), Is.EqualTo(IdOfThatTemplate), "ids in operators' filters stay");
    }

    private const int IdOfThatTemplate = 1_370_770_350;

    private sealed class Kept : ILoggerProvider, ILogger
    {
        public List<string> Lines { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public List<string> Faults { get; } = [];

        public List<int> Ids { get; } = [];

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            Lines.Add(formatter(state, exception));
            Ids.Add(eventId.Id);
            if (exception is not null) Faults.Add(exception.ToString());
        }

        public void Dispose()
        {
        }
    }
}
