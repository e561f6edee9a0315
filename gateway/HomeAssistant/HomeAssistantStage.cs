// Tells Home Assistant of devices and their verified readings, in the order of the log: discovery once for each device and whenever it has a new
// channel, its state after each read of the log (so a backlog is told as its newest values, not as a flood). From the start of the process on.

using System.Reflection;
using System.Text;
using DePIN.Gateway.Ingest;
using DePIN.Gateway.Settings;
using DePIN.Gateway.Store;
using DePIN.Mqtt;
using DePIN.Protocol;

namespace DePIN.Gateway.HomeAssistant;

/// <summary>Publishes for Home Assistant.</summary>
public sealed class HomeAssistantStage
{
    /// <summary>The payload of Home Assistant's birth message.</summary>
    public const string Online = "online";

    private const int FramesPerReadMax = 512;
    private static readonly TimeSpan RevokedInterval = TimeSpan.FromMinutes(1);
    private static readonly string Version = typeof(HomeAssistantStage).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    private readonly HomeAssistantSettings _settings;
    private readonly IFrameStore _frames;
    private readonly ITopicPublisher _publisher;
    private readonly string? _availability;
    private readonly Func<string, bool> _isRevoked;
    private readonly TimeProvider _time;
    private readonly Dictionary<string, SensorDevice> _known = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _again = new(0, 1);
    private long _left;

    /// <param name="settings">What and where.</param>
    /// <param name="frames">The arrival log.</param>
    /// <param name="publisher">Takes the messages; told which topic is heard.</param>
    /// <param name="availability">The topic that says whether this gateway is there; null when several share the work, since then others stand in for it.</param>
    /// <param name="isRevoked">Whether the owner revoked a device (its id as text): it is taken off Home Assistant.</param>
    /// <param name="time">Time.</param>
    public HomeAssistantStage(HomeAssistantSettings settings, IFrameStore frames, ITopicPublisher publisher, string? availability, Func<string, bool> isRevoked, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(publisher);
        (_settings, _frames, _publisher, _availability, _isRevoked, _time) = (settings, frames, publisher, availability, isRevoked, time);
        if (!settings.Enabled)
        {
            return;
        }

        publisher.Hear(StatusTopic(settings.Prefix), status =>
        {
            if (status.Span.SequenceEqual(Encoding.ASCII.GetBytes(Online)))
            {
                TellAgain();
            }
        });
        publisher.OnFresh(TellAgain);
    }

    /// <summary>Devices beyond <see cref="HomeAssistantSettings.DevicesMax"/> whose frames were not told.</summary>
    public long FramesLeftOut => Interlocked.Read(ref _left);

    /// <summary>Where Home Assistant says that it has started.</summary>
    public static string StatusTopic(string prefix) => prefix + "/status";

    /// <summary>Where this gateway says whether it is there.</summary>
    public static string AvailabilityTopic(Evidence.Address gateway) => $"{Topics.Prefix}gateway/{gateway.ToString()[2..]}/status";

    /// <summary>Where a device's sensors are announced.</summary>
    public static string DiscoveryTopic(string prefix, string deviceIdText) => $"{prefix}/device/depin_{deviceIdText}/config";

    /// <summary>Where a device's newest values are.</summary>
    public static string StateTopic(string deviceIdText) => $"{Topics.Prefix}{deviceIdText}/state";

    /// <summary>Publishes until <paramref name="stopping"/>.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        if (!_settings.Enabled)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, _time, stopping).ConfigureAwait(false);
        }

        SayAvailable();
        long row = _frames.LastRow;
        Task more = _frames.WaitForRowAsync(row, stopping);
        Task again = _again.WaitAsync(stopping);
        Task look = Task.Delay(RevokedInterval, _time, stopping);
        while (true)
        {
            await (await Task.WhenAny(more, again, look).ConfigureAwait(false)).ConfigureAwait(false);
            if (look.IsCompleted)
            {
                look = Task.Delay(RevokedInterval, _time, stopping);
                RemoveRevoked();
            }

            if (again.IsCompleted)
            {
                again = _again.WaitAsync(stopping);
                TellAll();
            }

            if (more.IsCompleted)
            {
                long last = Math.Min(_frames.LastRow, row + FramesPerReadMax);
                Tell(_frames.Frames(row + 1, last));
                row = last;
                more = _frames.WaitForRowAsync(row, stopping);
            }
        }
    }

    private void Tell(IEnumerable<StoredFrame> frames)
    {
        HashSet<string> announce = [], changed = [];
        byte[] id = new byte[DeviceId.Bytes];
        foreach (StoredFrame frame in frames)
        {
            Buffer.BlockCopy(frame.Frame, FrameFormat.DeviceIdOffset, id, 0, id.Length);
            string device = DeviceId.ToText(id, 0);
            if (!_known.TryGetValue(device, out SensorDevice? known))
            {
                if (_known.Count >= _settings.DevicesMax)
                {
                    Interlocked.Increment(ref _left);
                    continue;
                }

                _known.Add(device, known = new SensorDevice(device));
            }

            if (known.Take(frame.Frame, frame.ReceivedMs, out bool isNew))
            {
                changed.Add(device);
                if (isNew)
                {
                    announce.Add(device);
                }
            }
        }

        foreach (string device in changed)
        {
            if (announce.Contains(device))
            {
                Announce(device);
            }

            Publish(StateTopic(device), _known[device].State());
        }
    }

    // An empty retained message removes: home-assistant.io/integrations/mqtt, "how to remove the discovery".
    private void RemoveRevoked()
    {
        foreach (string device in _known.Keys.Where(_isRevoked).ToArray())
        {
            _known.Remove(device);
            Publish(DiscoveryTopic(_settings.Prefix, device), []);
            Publish(StateTopic(device), []);
        }
    }

    private void TellAll()
    {
        SayAvailable();
        foreach ((string device, SensorDevice known) in _known)
        {
            if (!known.IsEmpty)
            {
                Announce(device);
                Publish(StateTopic(device), known.State());
            }
        }
    }

    private void SayAvailable()
    {
        if (_availability is not null)
        {
            Publish(_availability, Encoding.ASCII.GetBytes(Online));
        }
    }

    private void Announce(string device) => Publish(DiscoveryTopic(_settings.Prefix, device), _known[device].Discovery(StateTopic(device), _availability, _settings.ExpireAfterS, Version));

    private void Publish(string topic, byte[] payload) => _publisher.Publish(topic, payload, MqttQos.AtLeastOnce, retain: true);

    // From any thread; several at once are one.
    private void TellAgain()
    {
        try
        {
            _again.Release();
        }
        catch (SemaphoreFullException)
        {
            // It is about to be told.
        }
    }
}
