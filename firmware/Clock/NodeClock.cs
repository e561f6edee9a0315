using System;
using DePIN.Firmware.Board;
using DePIN.Firmware.Keep;
using DePIN.Protocol;

namespace DePIN.Firmware.Clock
{
    /// <summary>Who set the clock.</summary>
    public enum ClockOrigin
    {
        None = 0,
        Gateway = 1,
        TimeServer = 2,
    }

    /// <summary>
    /// The node's time: SNTP when it answers, else the gateway's time over MQTT, else ms since boot with the frame's flag clear. It is
    /// an offset to the uptime, so a step never moves samples against each other inside a frame. Every step is counted and told. The
    /// last good time is kept in flash hourly: only to set the RTC at boot, so that TLS can judge certificates; never to claim a time.
    /// Nothing is ordered by time (frames are by sequence), so a wrong time server makes wrong labels, not lost readings.
    /// </summary>
    public sealed class NodeClock
    {
        public const string StoreName = "time";

        /// <summary>2025-01-01 and 2100-01-01: outside is a broken source, not a time.</summary>
        public const long UnixMsMin = DeviceTime.WallMsMin;
        public const long UnixMsMax = 4102444800000;

        public const long SaveEveryMs = 3600000;
        public const long AskEveryMs = 6 * 3600000;
        public const long AskAgainMs = 60000;

        /// <summary>A gateway's word counts when no time server has answered for this long.</summary>
        public const long TimeServerTrustedMs = 24 * 3600000;

        /// <summary>A correction of at least this is a step; below it is drift.</summary>
        public const long StepMsMin = 1000;

        private readonly object _gate = new object();
        private readonly ITimeSource _time;
        private readonly TwoGenerations _store;
        private ClockOrigin _origin;
        private long _offsetMs;
        private long _serverAtMs;
        private long _nextAskMs;
        private long _nextSaveMs;
        private int _steps;
        private int _refused;
        private long _lastStepMs;

        private NodeClock(ITimeSource time, TwoGenerations store)
        {
            _time = time;
            _store = store;
        }

        public ClockOrigin Origin
        {
            get { return _origin; }
        }

        public bool IsSynchronised
        {
            get { return _origin != ClockOrigin.None; }
        }

        /// <summary>Corrections of a second or more since boot; the first setting is none.</summary>
        public int Steps
        {
            get { return _steps; }
        }

        /// <summary>Size of the last step, ms; negative: the clock went back.</summary>
        public long LastStepMs
        {
            get { return _lastStepMs; }
        }

        /// <summary>Times outside any reason, not taken.</summary>
        public int Refused
        {
            get { return _refused; }
        }

        /// <summary>Opens the kept time and lends it to the RTC when that is behind it.</summary>
        public static NodeClock Open(IFlash flash, ITimeSource time)
        {
            TwoGenerations store = new TwoGenerations(flash, StoreName);
            store.Open();
            NodeClock clock = new NodeClock(time, store);
            if (store.Value != null && store.Value.Length == 8)
            {
                long kept = (long)BigEndian.ReadUInt64(store.Value, 0);
                if (IsTime(kept) && time.WallMs() < kept)
                {
                    time.SetWallMs(kept);
                }
            }

            return clock;
        }

        /// <summary>That uptime as Unix time when synchronised, else itself.</summary>
        public long At(long uptimeMs)
        {
            lock (_gate)
            {
                return IsSynchronised ? uptimeMs + _offsetMs : uptimeMs;
            }
        }

        /// <summary>Asks the time server when it is time to, and keeps the time in flash. Called by the node's loop.</summary>
        public void Tend(string server)
        {
            long now = _time.UptimeMs();
            if (server.Length > 0 && now >= _nextAskMs)
            {
                bool answered = Ask(server);
                _nextAskMs = _time.UptimeMs() + (answered ? AskEveryMs : AskAgainMs);
            }

            if (IsSynchronised && now >= _nextSaveMs)
            {
                _nextSaveMs = now + SaveEveryMs;
                byte[] kept = new byte[8];
                BigEndian.WriteUInt64(kept, 0, (ulong)At(now));
                _store.Write(kept);
            }
        }

        /// <summary>The gateway's time. Returns whether it was taken.</summary>
        public bool TakeGatewayTime(long unixMs)
        {
            long now = _time.UptimeMs();
            bool serverTrusted = _origin == ClockOrigin.TimeServer && now - _serverAtMs < TimeServerTrustedMs;
            return !serverTrusted && Set(ClockOrigin.Gateway, unixMs, now);
        }

        private bool Ask(string server)
        {
            try
            {
                if (!_time.AskTimeServer(server))
                {
                    return false;
                }
            }
            catch (Exception e)
            {
                NodeLog.Fault("time-server", e);
                return false;
            }

            long now = _time.UptimeMs();
            if (!Set(ClockOrigin.TimeServer, _time.WallMs(), now))
            {
                return false;
            }

            _serverAtMs = now;
            return true;
        }

        private bool Set(ClockOrigin origin, long unixMs, long uptimeMs)
        {
            if (!IsTime(unixMs))
            {
                _refused++;
                NodeLog.Event("clock-refused", "unix_ms=" + unixMs.ToString() + " message=outside 2025 to 2100");
                return false;
            }

            long step;
            bool first;
            lock (_gate)
            {
                long offset = unixMs - uptimeMs;
                first = !IsSynchronised;
                step = offset - _offsetMs;
                _offsetMs = offset;
                _origin = origin;
            }

            if (first)
            {
                NodeLog.Event("clock", "origin=" + Word(origin) + " unix_ms=" + unixMs.ToString());
            }
            else if (step >= StepMsMin || step <= -StepMsMin)
            {
                _steps++;
                _lastStepMs = step;
                NodeLog.Event("clock-step", "origin=" + Word(origin) + " step_ms=" + step.ToString() + " steps=" + _steps.ToString());
            }

            if (origin == ClockOrigin.Gateway)
            {
                _time.SetWallMs(unixMs);
            }

            return true;
        }

        private static bool IsTime(long unixMs)
        {
            return unixMs >= UnixMsMin && unixMs <= UnixMsMax;
        }

        private static string Word(ClockOrigin origin)
        {
            return origin == ClockOrigin.TimeServer ? "time-server" : origin == ClockOrigin.Gateway ? "gateway" : "none";
        }
    }
}
