using System.Diagnostics.Metrics;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Tests.Anchor;
using Microsoft.Extensions.Logging.Abstractions;

namespace DePIN.Gateway.Tests.Operate;

/// <summary>Stages drain in order, /health tells the truth, metrics are readable and bounded.</summary>
internal sealed class OperateTests
{
    [Test]
    public async Task Stages_stop_one_by_one_in_the_order_of_the_data()
    {
        List<string> ended = [];
        using CancellationTokenSource stop = new();
        Stage Make(string name) => new(name, async stopping =>
        {
            try
            {
                await Stages.IdleAsync(stopping);
            }
            finally
            {
                lock (ended) ended.Add(name);
            }
        });
        Task running = Stages.RunAsync(TimeProvider.System, NullLogger.Instance, stop.Token, Make("ingest"), Make("batch"), Make("web"));
        await stop.CancelAsync();
        await running;
        Assert.That(ended, Is.EqualTo(new[] { "ingest", "batch", "web" }));
    }

    [Test]
    public void A_stage_that_fails_stops_the_others_and_its_failure_is_thrown()
    {
        bool stopped = false;
        Assert.That(async () => await Stages.RunAsync(TimeProvider.System, NullLogger.Instance, CancellationToken.None,
            new Stage("well", async stopping =>
            {
                try
                {
                    await Stages.IdleAsync(stopping);
                }
                finally
                {
                    stopped = true;
                }
            }),
            new Stage("ill", _ => throw new IOException("broken"))), Throws.TypeOf<IOException>().With.Message.EqualTo("broken"));
        Assert.That(stopped, Is.True);
        Assert.That(async () => await Stages.RunAsync(TimeProvider.System, NullLogger.Instance, CancellationToken.None, new Stage("early", _ => Task.CompletedTask)),
            Throws.TypeOf<InvalidOperationException>().With.Message.Contains("early"));
    }

    [Test]
    public void Healthy_is_said_only_while_frames_move_all_the_way()
    {
        HealthLimits limits = new(UnanchoredMaxMs: 1000, UnbatchedMaxMs: 100, ClockErrorMaxMs: 50);
        PartStatus ok = new("anchor", PartState.Ok, "", "", 0), waiting = ok with { State = PartState.Waiting };
        HealthFacts facts = new() { NowMs = 10_000, StartedMs = 0, Parts = [ok, waiting], StoreWritable = true };
        Assert.That(Status(facts), Is.EqualTo("healthy"), "nobody sends frames: nothing is wrong");
        Assert.That(Status(facts with { OldestUnanchoredMs = 9_500 }), Is.EqualTo("healthy"));
        Assert.That(Status(facts with { OldestUnanchoredMs = 8_999 }), Is.EqualTo("degraded"), "no part complains, but a frame does not arrive");
        Assert.That(Status(facts with { OldestUnbatchedMs = 9_899 }), Is.EqualTo("degraded"));
        Assert.That(Status(facts with { ClockErrorMs = -51 }), Is.EqualTo("degraded"));
        Assert.That(Status(facts with { StoreWritable = false }), Is.EqualTo("failed"));
        Assert.That(Status(facts with { Parts = [ok with { State = PartState.Degraded }] }), Is.EqualTo("degraded"));
        Assert.That(Status(facts with { Parts = [ok with { State = PartState.Failed }] }), Is.EqualTo("failed"));
        Assert.That(Status(facts with { Parts = [] }), Is.EqualTo("starting"));
        Assert.That(HealthRules.Judge(facts with { StoreWritable = false, OldestUnanchoredMs = 0 }, limits).Problems.Select(p => p.NextStep), Is.All.Not.Empty);

        string Status(HealthFacts f) => HealthRules.Judge(f, limits).Status;
    }

    [Test]
    public void The_same_trouble_is_said_once_and_its_end_too()
    {
        CountingLogger log = new();
        HealthBoard board = new(new TestClock(), log);
        for (int i = 0; i < 100; i++) board.Report("registry", PartState.Degraded, $"attempt {i} failed", "Check the network.");
        board.Report("registry", PartState.Ok);
        Assert.That(log.Lines, Has.Count.EqualTo(2));
        Assert.That(board.Find("registry")!.State, Is.EqualTo(PartState.Ok));
    }

    [Test]
    public void Metrics_are_prometheus_text_and_bounded()
    {
        using MetricsExporter exporter = new();
        using Meter meter = new("DePIN.Tests.Exporter");
        Counter<long> counter = meter.CreateCounter<long>("depin_test_things", description: "Things.");
        counter.Add(2, new KeyValuePair<string, object?>("kind", "a\"b\n"));
        counter.Add(3, new KeyValuePair<string, object?>("kind", "a\"b\n"));
        meter.CreateObservableGauge("depin.test.level", () => 1.5);
        meter.CreateHistogram<double>("depin_test_ms").Record(4);
        string text = exporter.Write();
        Assert.That(text, Does.Contain("# HELP depin_test_things_total Things.\n# TYPE depin_test_things_total counter\ndepin_test_things_total{kind=\"a\\\"b\\n\"} 5\n"));
        Assert.That(text, Does.Contain("depin_test_level 1.5\n"));
        Assert.That(text, Does.Contain("depin_test_ms_count 1\n"));

        for (int i = 0; i < 2 * MetricsExporter.SeriesMax; i++) counter.Add(1, new KeyValuePair<string, object?>("kind", i));
        Assert.That(exporter.Write().Split('\n'), Has.Length.LessThan(MetricsExporter.SeriesMax + 200));
        Assert.That(exporter.Write(), Does.Not.Contain("depin_metrics_dropped_total 0\n"));
    }

    private sealed class CountingLogger : Microsoft.Extensions.Logging.ILogger
    {
        public List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(Microsoft.Extensions.Logging.LogLevel logLevel) => logLevel >= Microsoft.Extensions.Logging.LogLevel.Information;

        public void Log<TState>(Microsoft.Extensions.Logging.LogLevel logLevel, Microsoft.Extensions.Logging.EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel)) Lines.Add(formatter(state, exception));
        }
    }
}
