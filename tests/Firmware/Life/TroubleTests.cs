using System.Net;
using System.Net.Sockets;
using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Frame;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Life;
using DePIN.Firmware.Publish;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sign;
using DePIN.Protocol;
using DePIN.VirtualBoard.Flash;
using DePIN.VirtualBoard.Hardware;

namespace DePIN.Firmware.Tests.Life;

/// <summary>Each trouble of the table in firmware/Life/README.md: what the node does, its light code, its counter.</summary>
[TestFixture]
public sealed class TroubleTests
{
    private VirtualHardware _hardware = null!;
    private NodeHealth _health = null!;
    private PowerCutFlash _flash = null!;
    private FrameStore _store = null!;
    private NodeClock _clock = null!;
    private DeviceKey _key = null!;

    [SetUp]
    public void Boot()
    {
        _hardware = new VirtualHardware { OwnSsid = "farm" };
        _hardware.PowerOn();
        _health = new NodeHealth { SensorsPresent = 1 };
        _flash = new PowerCutFlash();
        _key = DeviceKey.Open(_flash, new SeededEntropy(7), new NodeStatus());
        _store = FrameStore.Open(_flash, FrameRing.CapacityBytesMin, _key.Signer);
        _clock = NodeClock.Open(_flash, new ManualTime());
    }

    [TestCase("other", 1, 0, LightCode.NoWifi)]
    [TestCase("farm", 0, 1, LightCode.WifiRefused)]
    public void A_network_that_is_away_is_told_from_one_that_refuses_the_node(string heard, int failures, int refusals, int light)
    {
        _hardware.NetworkUp = false;
        _hardware.Radio = () => [new RadioNetwork(heard, "02:00:00:00:00:01", -60)];
        Network network = new(new NodeSettings(), _health);
        Assert.That(network.Join(), Is.False);
        Assert.That((_health.WifiFailures, _health.WifiRefusals), Is.EqualTo((failures, refusals)));
        Assert.That(LightCode.Of(BoardState.Running, _health), Is.EqualTo(light));

        _hardware.NetworkUp = true;
        Assert.That(network.Join(), Is.True);
        Assert.That(LightCode.Of(BoardState.Running, _health), Is.EqualTo(LightCode.NoGateway), "and is over when it is joined");
    }

    [Test]
    public void A_radio_that_cannot_scan_makes_it_a_plain_failure()
    {
        _hardware.NetworkUp = false;
        _hardware.RadioWorks = false;
        Assert.That(new Network(new NodeSettings(), _health).Join(), Is.False);
        Assert.That((_health.WifiFailures, _health.WifiRefusals), Is.EqualTo((1, 0)));
    }

    [TestCase("HTTP/1.1 302 Found\r\nLocation: http://portal/\r\nContent-Length: 0\r\n\r\n", 0)]
    [TestCase("", 0)]
    [TestCase("\x20\x02\x00\x05", 1)]
    public void A_portal_a_host_that_hangs_up_and_a_broker_that_refuses_cost_bounded_time_and_are_counted(string answer, int refusals)
    {
        using WrongHost host = new(answer);
        NodeSettings settings = new() { GatewayHost = "127.0.0.1", GatewayPort = host.Port };
        Compose(2);
        StopSignal stop = new();
        FramePublisher publisher = new(settings, _key, _store, _clock, _flash, new Network(settings, _health), _health, new Watchdog(), new DeviceTime());
        Thread thread = new(() => publisher.Run(stop)) { IsBackground = true };
        thread.Start();
        Eventually.True(() => _health.ConnectFailures >= 2, "it tries again, and counts");
        Compose(1); // sampling goes on meanwhile
        Assert.That(_health.GatewayRefusals, refusals == 0 ? Is.Zero : Is.GreaterThanOrEqualTo(1));
        Assert.That(LightCode.Of(BoardState.Running, _health), Is.EqualTo(LightCode.NoGateway));
        Assert.That(_store.Owed, Is.EqualTo(3), "nothing is lost");
        stop.Request();
        _store.Wake();
        Assert.That(thread.Join(TimeSpan.FromSeconds(30)), Is.True);
    }

    [Test]
    public void A_sleeping_node_gives_a_portal_its_time_and_no_more()
    {
        using WrongHost host = new("HTTP/1.1 302 Found\r\n\r\n");
        NodeSettings settings = new() { GatewayHost = "127.0.0.1", GatewayPort = host.Port };
        ManualTime time = new();
        FramePublisher publisher = new(settings, _key, _store, _clock, _flash, new Network(settings, _health), _health, new Watchdog(), time);
        PublishSession session = new(publisher, _store, _clock, _health, time, "");
        using Timer clock = new(_ => time.Uptime += 1_000, null, 0, 20);
        long before = time.Uptime;
        Assert.That(session.Open(new StopSignal()), Is.False);
        Assert.That(time.Uptime - before, Is.GreaterThanOrEqualTo(PublishSession.ConnectMs));
        Assert.That(_health.ConnectFailures, Is.GreaterThan(0));
    }

    [Test]
    public void A_full_ring_drops_the_oldest_counts_it_and_goes_on()
    {
        while (_store.Dropped == 0)
        {
            Compose(1);
        }

        SampleSet samples = new();
        _health.AddTo(samples, _store, _clock, 1_000);
        Assert.That(Told(samples, Channels.NodeFramesDropped), Is.EqualTo(_store.Dropped).And.Positive);
        ulong newest = _store.NextSequence;
        Compose(1);
        Assert.That(_store.NextSequence, Is.EqualTo(newest + 1));
    }

    [Test]
    public void A_clock_that_nothing_set_is_shown_and_told()
    {
        (_health.HasNetwork, _health.IsConnected) = (true, true);
        Assert.That(LightCode.Of(BoardState.Running, _health), Is.EqualTo(LightCode.NoClock));
        Compose(1);
        byte[] frame = new byte[FrameFormat.FrameBytesMax];
        _store.Read(1, frame);
        Assert.That(FrameParser.IsClockSynchronised(frame, 0), Is.False);
        _clock.TakeGatewayTime(5);
        SampleSet samples = new();
        _health.AddTo(samples, _store, _clock, 1_000);
        Assert.That((Told(samples, Channels.NodeClockOrigin), Told(samples, Channels.NodeClockRefused), Told(samples, Channels.NodeClockError)), Is.EqualTo((0L, 1L, 0L)));
        _clock.TakeGatewayTime(NodeClock.UnixMsMin);
        samples.Truncate(0);
        _health.AddTo(samples, _store, _clock, 1_000);
        Assert.That((Told(samples, Channels.NodeClockOrigin), Told(samples, Channels.NodeClockError)), Is.EqualTo((1L, NodeClock.TakenErrorMs)));
    }

    [TestCase(0, false)]
    [TestCase(NodeClock.UnixMsMin + 1, true)]
    public void A_restart_under_power_is_told_from_power_itself_by_the_RTC(long rtc, bool warm)
    {
        NodeTime time = new(new ManualTime { Wall = rtc });
        NodeSettings settings = new();
        DeepSleep sleep = new(settings, time);
        HealthFrames healthFrames = new(0, _health, new FrameComposer(Profiles.Node, _key.Id, _store, _clock), _store, _clock);
        sleep.Resume(_store, _clock, _health, healthFrames, null!, null!, new NodeStatus());
        SampleSet samples = new();
        _health.AddTo(samples, _store, _clock, 1_000);
        Assert.That(Told(samples, Channels.NodeWarmStart), Is.EqualTo(warm ? 1 : 0));
        Assert.That(Told(samples, Channels.NodeBoots), Is.EqualTo(1), "a boot all the same");
    }

    private static long Told(SampleSet samples, ushort channel) =>
        samples.Value(Enumerable.Range(0, samples.Count).Single(i => samples.Channel(i) == channel));

    private void Compose(int frames)
    {
        FrameComposer composer = new(Profiles.Environment, _key.Id, _store, _clock);
        for (int i = 0; i < frames; i++)
        {
            SampleSet samples = new();
            for (int j = 0; j < 20; j++)
            {
                samples.Add(Channels.Temperature, -2, 0, j, 1_000);
            }

            composer.Compose(samples);
        }
    }

    /// <summary>Takes connections and answers anything with the same bytes, then hangs up.</summary>
    private sealed class WrongHost : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly byte[] _answer;

        public WrongHost(string answer)
        {
            _answer = System.Text.Encoding.Latin1.GetBytes(answer);
            _listener.Start();
            new Thread(Serve) { IsBackground = true }.Start();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public void Dispose() => _listener.Dispose();

        private void Serve()
        {
            byte[] asked = new byte[256];
            while (true)
            {
                try
                {
                    using TcpClient client = _listener.AcceptTcpClient();
                    NetworkStream stream = client.GetStream();
                    if (stream.Read(asked) > 0)
                    {
                        stream.Write(_answer);
                    }
                }
                catch (IOException)
                {
                    // The node hung up first.
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
                {
                    return;
                }
            }
        }
    }
}
