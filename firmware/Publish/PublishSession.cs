using System.IO;
using System.Threading;
using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Life;

namespace DePIN.Firmware.Publish
{
    /// <summary>Lets the publisher run for one wake-up: until the gateway has everything, or its time is over.</summary>
    public sealed class PublishSession : IUplink
    {
        /// <summary>Wi-Fi (30 s at most), name, TCP, TLS, MQTT. A captive portal or a silent address costs this much and no more.</summary>
        public const int ConnectMs = 45000;

        /// <summary>Of sending. Frames that are left are owed as before.</summary>
        public const int PublishMs = 120000;

        /// <summary>Of a new release's pieces; what is missing then comes with the next connection.</summary>
        public const int SideWorkMs = 600000;

        /// <summary>The gateway's time comes right behind the subscription.</summary>
        private const int TimeMs = 5000;
        private const int EndMs = 15000;
        private const int PollMs = 20;

        private readonly FramePublisher _publisher;
        private readonly FrameStore _store;
        private readonly NodeClock _clock;
        private readonly NodeHealth _health;
        private readonly ITimeSource _time;
        private readonly string _timeServer;
        private Thread _thread;
        private StopSignal _session;

        public PublishSession(FramePublisher publisher, FrameStore store, NodeClock clock, NodeHealth health, ITimeSource time, string timeServer)
        {
            _publisher = publisher;
            _store = store;
            _clock = clock;
            _health = health;
            _time = time;
            _timeServer = timeServer;
        }

        /// <summary>What the connection is kept open for when everything is sent; null: nothing.</summary>
        public ISideWork SideWork { get; set; }

        public bool Open(StopSignal stop)
        {
            StopSignal session = new StopSignal();
            _session = session;
            _thread = new Thread(() => _publisher.Run(session));
            _thread.Start();
            long end = _time.UptimeMs() + ConnectMs;
            while (!_health.IsConnected && _time.UptimeMs() < end && !stop.Wait(PollMs))
            {
            }

            if (_health.IsConnected)
            {
                return true;
            }

            Close();
            return false;
        }

        public bool Drain(StopSignal stop)
        {
            try
            {
                _clock.Tend(_timeServer);
            }
            catch (IOException e)
            {
                NodeLog.Fault("keep-time", e);
            }

            long start = _time.UptimeMs();
            long now = start;
            while (now < start + PublishMs && (_store.Owed > 0 || (_clock.NeedsTime && now < start + TimeMs)) && !stop.Wait(PollMs))
            {
                now = _time.UptimeMs();
            }

            while (SideWork != null && SideWork.IsBusy && now < start + SideWorkMs && !stop.Wait(PollMs))
            {
                now = _time.UptimeMs();
            }

            Close();
            return _store.Owed == 0;
        }

        private void Close()
        {
            _session.Request();
            _store.Wake();
            if (!_thread.Join(EndMs))
            {
                NodeLog.Event("publish-stuck", "message=the publisher did not end in time: the sleep ends it");
            }
        }
    }
}
