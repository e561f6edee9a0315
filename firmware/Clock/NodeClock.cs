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

        /// <summary>Awake the clock runs from the crystal: the ESP32's hardware design guidelines ask for +-10 ppm, doubled here for temperature and age.</summary>
        public const long AwakePpm = 20;

        /// <summary>
        /// Asleep it runs from the RTC's RC oscillator, which is calibrated against the crystal when the chip goes to sleep and then drifts with
        /// temperature (ESP-IDF, System Time: "RTC clock source"). No vendor's figure bounds it; in the field 2 to 5 % were seen.
        /// </summary>
        public const long AsleepPpm = 50000;

        /// <summary>Of a time that was just taken: whole seconds (the runtime's RTC takes no fractions) and the network's delay.</summary>
        public const long TakenErrorMs = 1500;

        /// <summary>Frames say "synchronised" while the clock is surely not further off than this: 40 minutes of sleep since a source was asked.</summary>
        public const long SynchronisedErrorMsMax = 120000;

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
        private long _errorMs;
        private long _errorAtMs;

        private NodeClock(ITimeSource time, TwoGenerations store)
        {
            _time = time;
            _store = store;
        }

        public ClockOrigin Origin
        {
            get { return _origin; }
        }

        /// <summary>A source has set the clock, and it cannot have drifted far since.</summary>
        public bool IsSynchronised
        {
            get { return _origin != ClockOrigin.None && ErrorMs <= SynchronisedErrorMsMax; }
        }

        /// <summary>No good time, or soon none: three quarters of the error that a synchronised clock may have.</summary>
        public bool NeedsTime
        {
            get { return _origin == ClockOrigin.None || ErrorMs > SynchronisedErrorMsMax / 4 * 3; }
        }

        /// <summary>How far off the clock may be by now, ms: an upper bound from what its oscillators may drift; of no meaning before it was set.</summary>
        public long ErrorMs
        {
            get
            {
                lock (_gate)
                {
                    return _errorMs + Drift(_time.UptimeMs() - _errorAtMs, AwakePpm);
                }
            }
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
            bool serverTrusted = _origin == ClockOrigin.TimeServer && now - _serverAtMs < TimeServerTrustedMs && !NeedsTime;
            return !serverTrusted && Set(ClockOrigin.Gateway, unixMs, now);
        }

        /// <summary>Writes what the clock must know after a deep sleep.</summary>
        public void Save(SleepState state)
        {
            lock (_gate)
            {
                state.ClockOrigin = (byte)_origin;
                state.ClockOffsetMs = _offsetMs;
                state.ClockErrorMs = _errorMs + Drift(state.UptimeMs - _errorAtMs, AwakePpm);
                state.ServerAtMs = _serverAtMs;
                state.NextAskMs = _nextAskMs;
                state.NextSaveMs = _nextSaveMs;
                state.ClockSteps = _steps;
                state.ClockRefused = _refused;
                state.LastStepMs = _lastStepMs;
            }
        }

        /// <summary>Goes on after a deep sleep of that length, as far as the RTC can tell.</summary>
        public void Resume(SleepState state, long sleptMs)
        {
            lock (_gate)
            {
                _origin = (ClockOrigin)state.ClockOrigin;
                _offsetMs = state.ClockOffsetMs;
                _errorMs = ErrorAfter(state, sleptMs);
                _errorAtMs = state.UptimeMs + sleptMs;
                _serverAtMs = state.ServerAtMs;
                _nextAskMs = NeedsTime ? 0 : state.NextAskMs; // that plan was made for an oscillator that is awake
                _nextSaveMs = state.NextSaveMs;
                _steps = state.ClockSteps;
                _refused = state.ClockRefused;
                _lastStepMs = state.LastStepMs;
            }
        }

        /// <summary>The error after a sleep of that length.</summary>
        public static long ErrorAfter(SleepState state, long sleptMs)
        {
            return state.ClockErrorMs + Drift(sleptMs, AsleepPpm);
        }

        private static long Drift(long elapsedMs, long ppm)
        {
            return elapsedMs > 0 ? elapsedMs * ppm / 1000000 : 0;
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
                first = _origin == ClockOrigin.None;
                step = offset - _offsetMs;
                _offsetMs = offset;
                _origin = origin;
                _errorMs = TakenErrorMs;
                _errorAtMs = uptimeMs;
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
