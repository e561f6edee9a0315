// Takes frames from an external MQTT broker: one session that the broker keeps, one connection after the other. A frame is answered to the broker
// when its verdict is final: stored, or refused for good. What has no final verdict in time is left to the broker by giving the connection up.
// Also publishes for other stages at that broker. Limits: the window, the queue of outgoing messages, back-off between connections.

using System.Globalization;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using System.Threading.Channels;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Verify;
using DePIN.Mqtt;
using DePIN.Protocol;

namespace DePIN.Gateway.Subscribe;

/// <summary>The subscription to an external broker.</summary>
public sealed class BrokerSubscriber : IReadingPublisher, ITopicPublisher, IDisposable
{
    /// <summary>The part's name in /health.</summary>
    public const string Part = "broker";

    private const int OutgoingMax = 4_096;
    private const int UnansweredMax = 64;
    private const int StoredDevicesMax = 10_000;
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RegistryPoll = TimeSpan.FromMilliseconds(200);

    private readonly BrokerOptions _options;
    private readonly string _gateway;
    private readonly IFrameIntake _intake;
    private readonly Func<bool> _isRegistryRead;
    private readonly Func<bool> _isRegistryCurrent;
    private readonly HealthBoard _health;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly ILogger _log;
    private readonly Channel<Outgoing> _outgoing = Channel.CreateBounded<Outgoing>(new BoundedChannelOptions(OutgoingMax) { SingleReader = true });
    private readonly Dictionary<string, ulong> _stored = new(StringComparer.Ordinal); // not yet told; its own lock
    private readonly List<(string Topic, byte[] Utf8, Action<ReadOnlyMemory<byte>> Heard)> _heard = [];
    private readonly List<Action> _fresh = [];
    private volatile FrameWindow? _window;
    private bool _hadSession;

    /// <param name="options">Where and how.</param>
    /// <param name="gateway">This gateway's address, told beside what it stored.</param>
    /// <param name="intake">Decides frames.</param>
    /// <param name="isRegistryRead">Whether the registry has ever been read; before that no frame is taken.</param>
    /// <param name="isRegistryCurrent">Whether it is known as it is now: otherwise an unknown device proves nothing.</param>
    /// <param name="health">Told how it is.</param>
    /// <param name="time">Time.</param>
    /// <param name="random">Spreads the reconnecting of many gateways.</param>
    /// <param name="logs">Told when the broker forgot something.</param>
    public BrokerSubscriber(BrokerOptions options, string gateway, IFrameIntake intake, Func<bool> isRegistryRead, Func<bool> isRegistryCurrent, HealthBoard health, TimeProvider time, Random random, ILoggerFactory logs)
    {
        ArgumentNullException.ThrowIfNull(logs);
        (_options, _gateway, _intake, _isRegistryRead, _isRegistryCurrent, _health, _time, _random) = (options, gateway, intake, isRegistryRead, isRegistryCurrent, health, time, random);
        _log = logs.CreateLogger("DePIN.Gateway.Broker");
        Metrics = new BrokerMetrics(() => Waiting);
        health.Report(Part, PartState.Starting);
    }

    /// <summary>What is counted.</summary>
    public BrokerMetrics Metrics { get; }

    /// <summary>Frames taken and not yet answered.</summary>
    public int Waiting => _window?.Count ?? 0;

    /// <inheritdoc/>
    public bool HasAnyReader => _options.PublishReadings && Metrics.IsConnected; // a broker does not tell who reads

    /// <summary>The subscription that the settings ask for; null without broker.url.</summary>
    public static BrokerSubscriber? Open(BrokerOptions? options, string gateway, IFrameIntake intake, Func<bool> isRegistryRead, HealthBoard health, TimeProvider time, ILoggerFactory logs)
    {
        ArgumentNullException.ThrowIfNull(health);
        return options is null ? null : new(options, gateway, intake, isRegistryRead, () => health.Find("registry")?.State is PartState.Ok, health, time, new Random(), logs);
    }

    /// <summary>Subscribes, and subscribes again, until <paramref name="stopping"/>; then answers what the intake has and leaves. The session stays at the broker.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        _health.Report(Part, PartState.Waiting, "the registry of devices has not been read yet");
        while (!_isRegistryRead())
        {
            await Task.Delay(RegistryPoll, _time, stopping).ConfigureAwait(false);
        }

        MqttVersion version = MqttVersion.V5;
        TimeSpan wait = _options.BackOffFirst;
        while (true)
        {
            BrokerEnd end = await ServeAsync(version, stopping).ConfigureAwait(false);
            Metrics.IsConnected = false;
            stopping.ThrowIfCancellationRequested();
            Metrics.Fail();
            if (end.OtherVersion)
            {
                version = version == MqttVersion.V5 ? MqttVersion.V311 : MqttVersion.V5;
            }

            _health.Report(Part, PartState.Degraded, end.Reason, end.NextStep);
            wait = end.WasSubscribed ? _options.BackOffFirst : wait;
            await Task.Delay(wait * (0.5 + (_random.NextDouble() / 2)), _time, stopping).ConfigureAwait(false);
            wait = wait * 2 < _options.BackOffMax ? wait * 2 : _options.BackOffMax;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Metrics.Dispose();

    /// <inheritdoc/>
    public bool HasReaders(string deviceIdText) => HasAnyReader;

    /// <inheritdoc/>
    public void PublishReadings(string deviceIdText, ReadOnlySpan<byte> senml)
    {
        if (_options.PublishReadings)
        {
            Publish(Topics.Senml(deviceIdText), senml.ToArray(), MqttQos.AtLeastOnce, retain: false);
        }
    }

    /// <inheritdoc/>
    public void PublishTime()
    {
        if (_options.PublishReadings && TimePayload.Now(_time) is { } payload)
        {
            Publish(Topics.Time, payload, MqttQos.AtMostOnce, retain: false);
        }
    }

    /// <inheritdoc/>
    public void Publish(string topic, ReadOnlyMemory<byte> payload, MqttQos qos, bool retain)
    {
        if (Metrics.IsConnected && !_outgoing.Writer.TryWrite(new Outgoing(topic, payload, qos, retain)))
        {
            Metrics.Drop();
        }
    }

    /// <inheritdoc/>
    public void Hear(string topic, Action<ReadOnlyMemory<byte>> heard) => _heard.Add((topic, Encoding.UTF8.GetBytes(topic), heard));

    /// <inheritdoc/>
    public void OnFresh(Action fresh) => _fresh.Add(fresh);

    // One connection, from dialling to its end. Never throws but for stopping.
    private async Task<BrokerEnd> ServeAsync(MqttVersion version, CancellationToken stopping)
    {
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        Serving serving = new(this, over.Token);
        _window = serving.Window;
        try
        {
            await using MqttClient client = serving.Open(_options.Client(version, _time));
            MqttConnectResult accepted = await client.ConnectAsync(stopping).ConfigureAwait(false);
            if (!accepted.IsConnected)
            {
                return Refused(version, accepted);
            }

            LookAtSession(accepted.SessionPresent);
            BrokerEnd end = await KeepAsync(client, version, serving.Window, over.Token).ConfigureAwait(false);
            Metrics.IsConnected = false;
            if (stopping.IsCancellationRequested)
            {
                await LeaveAsync(client, serving.Window).ConfigureAwait(false);
            }

            return end;
        }
        catch (SettingsException wrong)
        {
            return new BrokerEnd(wrong.Message, "Correct the file; it is read again at the next attempt.");
        }
        catch (AuthenticationException fault)
        {
            return new BrokerEnd($"{_options.Shown}: TLS failed ({fault.InnerException?.Message ?? fault.Message}).", "Set broker.authorityFile to the authority that signed the broker's certificate, and use a host name that is in it.");
        }
        catch (SocketException fault)
        {
            return new BrokerEnd($"{_options.Shown} cannot be reached ({fault.Message}).", "Check broker.url, the broker, and the network between.");
        }
        catch (TimeoutException fault)
        {
            return new BrokerEnd(fault.Message, "Check broker.url: is this the broker's MQTT port, with TLS exactly where the broker has it?");
        }
        catch (IOException fault)
        {
            return new BrokerEnd(fault.Message, "Look at the broker's log; if it speaks TLS on this port, broker.url has to begin with mqtts://.") { OtherVersion = true };
        }
        finally
        {
            await over.CancelAsync().ConfigureAwait(false);
        }
    }

    private async Task<BrokerEnd?> SubscribeAsync(MqttClient client, CancellationToken stopping)
    {
        // Always, also into a session that has it: it changes nothing there, and a broker may have lost it.
        MqttAnswer granted = await client.SubscribeAsync(_options.Subscription, MqttQos.AtLeastOnce, stopping).ConfigureAwait(false);
        if (!granted.IsAnswered)
        {
            return new BrokerEnd($"{_options.Shown} closed the connection when asked for {_options.Subscription}.", "Look at the broker's log.");
        }

        if (granted.Reason.IsFailure() || granted.Reason == MqttReason.Success)
        {
            return new BrokerEnd($"{_options.Shown} does not grant {_options.Subscription} with QoS 1 ({granted.Reason}).",
                _options.ShareGroup.Length > 0 ? "Allow the user to read it in the broker's access rules; a broker without shared subscriptions needs an empty broker.shareGroup." : "Allow the user to read it in the broker's access rules.");
        }

        foreach ((string topic, _, _) in _heard)
        {
            await client.SubscribeAsync(topic, MqttQos.AtMostOnce, stopping).ConfigureAwait(false);
        }

        return null;
    }

    private void Subscribed(MqttVersion version)
    {
        Metrics.Connect();
        Metrics.IsConnected = true;
        _health.Report(Part, PartState.Ok, $"takes {_options.Subscription} from {_options.Shown} (MQTT {(version == MqttVersion.V5 ? "5" : "3.1.1")})");
        foreach (Action fresh in _fresh)
        {
            fresh();
        }
    }

    // Subscribes, publishes and watches until the connection ends, a frame waits too long, or the stage stops. Frames of the session come before the
    // SUBACK, and may fill the window before it: so both go on at once.
    private async Task<BrokerEnd> KeepAsync(MqttClient client, MqttVersion version, FrameWindow window, CancellationToken over)
    {
        Task<BrokerEnd?> subscribing = SubscribeAsync(client, over);
        bool isSubscribed = false;
        using CancellationTokenSource pumping = CancellationTokenSource.CreateLinkedTokenSource(over);
        Task pump = PumpAsync(client, pumping.Token);
        long told = _time.GetTimestamp();
        BrokerEnd? end = null;
        while (end is null && !over.IsCancellationRequested)
        {
            Task tick = Task.Delay(_options.RetryInterval, _time, over);
            Task first = await Task.WhenAny([tick, client.Closed, .. isSubscribed ? Array.Empty<Task>() : [subscribing]]).ConfigureAwait(false);
            if (first == subscribing)
            {
                isSubscribed = true;
                end = await subscribing.ConfigureAwait(false);
                if (end is null)
                {
                    Subscribed(version);
                }

                continue;
            }

            if (first == client.Closed)
            {
                MqttClosed closed = await client.Closed.ConfigureAwait(false);
                end = new BrokerEnd($"{_options.Shown} ended the connection ({closed.Cause}, {closed.Reason}).",
                    closed.Reason == MqttReason.SessionTakenOver ? "Another client uses this client id: give each gateway its own broker.clientId." : "It is tried again; if this goes on, look at the broker's log.") { WasSubscribed = isSubscribed && closed.Reason != MqttReason.SessionTakenOver };
                break;
            }

            (TimeSpan age, FrameVerdict verdict) = window.Oldest();
            if (age > _options.HoldMax)
            {
                Metrics.GiveUp();
                end = new BrokerEnd($"a frame waits for {age.TotalSeconds:0} s ({verdict}); the broker keeps it and those behind it.", "See the part store: usually the disk is full.");
                break;
            }

            window.HandInAgain();
            if (_options.StoredInterval > TimeSpan.Zero && _time.GetElapsedTime(told) >= _options.StoredInterval)
            {
                told = _time.GetTimestamp();
                TellStored();
            }
        }

        await pumping.CancelAsync().ConfigureAwait(false);
        await pump.ConfigureAwait(false);
        return end ?? new BrokerEnd("", "");
    }

    private async Task PumpAsync(MqttClient client, CancellationToken over)
    {
        Queue<Task<MqttAnswer>> unanswered = new(); // they leave in the order of the calls; only how many wait is bounded here
        try
        {
            while (true)
            {
                Outgoing message = await _outgoing.Reader.ReadAsync(over).ConfigureAwait(false);
                unanswered.Enqueue(client.PublishAsync(message.Topic, message.Payload, message.Qos, message.Retain, over).AsTask());
                Metrics.Publish();
                if (unanswered.Count >= UnansweredMax)
                {
                    await unanswered.Dequeue().ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The connection is over; what waited is an export and comes again with the next reading.
        }
    }

    private async Task LeaveAsync(MqttClient client, FrameWindow window)
    {
        long since = _time.GetTimestamp();
        while (window.Count > 0 && client.IsConnected && _time.GetElapsedTime(since) < StopTimeout && !window.Oldest().Verdict.IsRetryLater())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(10), _time, CancellationToken.None).ConfigureAwait(false);
        }

        try
        {
            if (_options.AvailabilityTopic is { } topic && client.IsConnected)
            {
                // A normal DISCONNECT takes the will away. The client bounds neither this nor the answer.
                await client.PublishAsync(topic, BrokerOptions.Offline, MqttQos.AtLeastOnce, retain: true).AsTask().WaitAsync(StopTimeout, _time, CancellationToken.None).ConfigureAwait(false);
            }

            await client.DisconnectAsync().ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // The broker does not read; the connection is dropped, and what it did not hear is sent again.
        }
    }

    private void LookAtSession(bool isPresent)
    {
        if (_hadSession && !isPresent)
        {
            Metrics.Forget();
            _log.LogWarning("{Broker} has forgotten this gateway's session: frames that waited there are lost unless boards still keep them. Give the broker persistence (mosquitto: persistence true) and broker.sessionHours long enough", _options.Shown);
        }

        _hadSession = true;
    }

    private BrokerEnd Refused(MqttVersion version, MqttConnectResult result)
    {
        if (version == MqttVersion.V5 && (MqttReason)result.Code == MqttReason.UnsupportedProtocolVersion)
        {
            return new BrokerEnd($"{_options.Shown} does not speak MQTT 5.", "MQTT 3.1.1 is tried next.") { OtherVersion = true };
        }

        string reason = version == MqttVersion.V5 ? ((MqttReason)result.Code).ToString() : ((ConnectReturnCode)result.Code).ToString();
        return new BrokerEnd($"{_options.Shown} refuses the connection ({reason}{(result.ReasonText.Length > 0 ? ": " + result.ReasonText : "")}).", "Check broker.user, broker.passwordFile and broker.clientId against the broker's users.");
    }

    private void Stored(HeldFrame held)
    {
        if (_options.StoredInterval == TimeSpan.Zero)
        {
            return;
        }

        string device = Convert.ToHexStringLower(held.DeviceId);
        lock (_stored)
        {
            if (_stored.TryGetValue(device, out ulong before) ? before < held.Sequence : _stored.Count < StoredDevicesMax)
            {
                _stored[device] = held.Sequence;
            }
        }
    }

    private void TellStored()
    {
        KeyValuePair<string, ulong>[] all;
        lock (_stored)
        {
            all = [.. _stored];
            _stored.Clear();
        }

        foreach ((string device, ulong sequence) in all)
        {
            byte[] payload = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{{\"sequence\":{sequence},\"gateway\":\"{_gateway}\"}}"));
            Publish($"{Topics.Prefix}{device}/stored", payload, MqttQos.AtLeastOnce, retain: true);
        }
    }

    private sealed record Outgoing(string Topic, ReadOnlyMemory<byte> Payload, MqttQos Qos, bool Retain);

    /// <summary>Why a connection ended, and what a person should do.</summary>
    private sealed record BrokerEnd(string Reason, string NextStep)
    {
        public bool WasSubscribed { get; init; }

        public bool OtherVersion { get; init; }
    }

    /// <summary>The frames of one connection.</summary>
    private sealed class Serving : IFrameWindowOwner
    {
        private readonly BrokerSubscriber _owner;
        private MqttClient _client = null!;

        public Serving(BrokerSubscriber owner, CancellationToken over)
        {
            _owner = owner;
            Window = new FrameWindow(owner._intake, this, owner._time, over);
        }

        public FrameWindow Window { get; }

        public MqttClient Open(MqttClientOptions options) => _client = new MqttClient(options with { OnMessage = Take });

        public bool IsFinal(HeldFrame held) => held.Verdict switch
        {
            // The broker's session is everybody's: a device nobody registered must not hold it up, once the registry has told.
            FrameVerdict.UnknownDevice => _owner._isRegistryCurrent() || _owner._time.GetElapsedTime(held.Since) > _owner._options.HoldMax,
            _ => !held.Verdict.IsRetryLater(),
        };

        public void Answer(HeldFrame held)
        {
            if (held.Qos != MqttQos.AtMostOnce)
            {
                _client.Acknowledge(held.PacketId, held.Qos);
            }

            if (held.DeviceId.Length == 0)
            {
                return; // no frame
            }

            _owner.Metrics.Count(held.Verdict);
            if (held.Verdict.IsDurable())
            {
                _owner.Stored(held);
            }
            else
            {
                byte[] verdict = new byte[VerdictMessage.Bytes];
                VerdictMessage.Write(held.Sequence, (byte)held.Verdict, flags: 0, verdict, 0); // not to be kept: the broker took it off the device long ago
                _owner.Publish(Topics.Verdict(Convert.ToHexStringLower(held.DeviceId)), verdict, MqttQos.AtMostOnce, retain: false);
            }
        }

        public void Failed(Exception fault) => _owner._log.LogError(fault, "the intake failed on a frame; the broker keeps it");

        private void Take(in MqttMessage message)
        {
            Span<byte> deviceId = stackalloc byte[DeviceId.Bytes];
            if (FrameTopic.TryRead(message.Topic, deviceId))
            {
                if (!Window.Take(deviceId, message.Payload, message.Qos, message.PacketId))
                {
                    _owner.Metrics.CountForeign();
                }

                return;
            }

            bool isHeard = false;
            foreach ((_, byte[] topic, Action<ReadOnlyMemory<byte>> heard) in _owner._heard)
            {
                if (message.Topic.SequenceEqual(topic))
                {
                    heard(message.Payload.ToArray());
                    isHeard = true;
                }
            }

            if (!isHeard)
            {
                _owner.Metrics.CountForeign();
            }

            if (message.Qos != MqttQos.AtMostOnce)
            {
                Window.TakeDecided(message.Qos, message.PacketId);
            }
        }
    }
}
