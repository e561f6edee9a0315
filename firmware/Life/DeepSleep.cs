using System;
using System.IO;
using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Frame;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sign;

namespace DePIN.Firmware.Life
{
    /// <summary>
    /// What of a node survives a deep sleep: made when the chip starts, before anything changes the RTC. A wake-up goes on in the boot it
    /// slept in: same boot count, uptime, clock, counters, samples. After a power cut the samples that waited are signed as of their own boot.
    /// </summary>
    public sealed class DeepSleep : IWakeReport
    {
        /// <summary>A nearer round is waited for awake.</summary>
        public const int NapMsMin = 10000;

        /// <summary>Between two tries to connect: doubling, with half of it at random.</summary>
        public const int ConnectAgainMsMin = 60000;
        public const int ConnectAgainMsMax = 6 * 3600000;

        /// <summary>Between two connections for the time alone, when none was told in the last one.</summary>
        public const int ClockAgainMs = 3600000;

        private const int Tries = 5;

        private readonly bool _enabled;
        private readonly NodeSettings _settings;
        private readonly NodeTime _time;
        private readonly Random _random = new Random();
        private readonly int _wokeByTimer;
        private readonly long _rtcAtStartMs;
        private readonly long _uptimeAtStartMs;
        private FrameStore _store;
        private NodeClock _clock;
        private NodeHealth _health;
        private HealthFrames _healthFrames;
        private SampleLoop _loop;
        private long _nextConnectMs;
        private long _nextClockMs;
        private int _ceilingMs;
        private long _wakeUptimeMs;

        /// <param name="staysAwake">Whatever the setting says: a new release is on trial.</param>
        public DeepSleep(NodeSettings settings, NodeTime time, bool staysAwake = false)
        {
            _enabled = settings.DeepSleep && !staysAwake;
            _settings = settings;
            _time = time;
            _wokeByTimer = _enabled ? ChipSleep.WokeByTimer() : 0;
            _rtcAtStartMs = time.WallMs();
            _uptimeAtStartMs = time.UptimeMs();
        }

        public bool IsEnabled
        {
            get { return _enabled; }
        }

        /// <summary>When the round is due that the sleep waits for.</summary>
        public long WakeUptimeMs
        {
            get { return _wakeUptimeMs; }
        }

        /// <summary>
        /// Whether the chip woke from that sleep. Where the runtime does not tell, the RTC does: power and reset pin put it back to zero, and a sleep
        /// leaves it at the time it was planned to end.
        /// </summary>
        public bool IsWake(SleepState slept)
        {
            return _wokeByTimer > 0 || (_wokeByTimer < 0 && IsPlausible(slept));
        }

        /// <summary>Goes on where the sleep interrupted, or signs what an earlier boot left; called once, before the first round.</summary>
        public void Resume(FrameStore store, NodeClock clock, NodeHealth health, HealthFrames healthFrames, SampleLoop loop, FrameComposer composer, NodeStatus status)
        {
            _store = store;
            _clock = clock;
            _health = health;
            _healthFrames = healthFrames;
            _loop = loop;
            store.SignLater = _enabled;
            if (!store.IsResumed)
            {
                health.IsWarmStart = _rtcAtStartMs >= DeviceTime.WallMsMin;
                _wakeUptimeMs = _time.UptimeMs();
                SignLeftOver(composer, status);
                if (_enabled)
                {
                    loop.GoOn(0);
                }

                return;
            }

            SleepState slept = store.Slept;
            long sleptMs = IsPlausible(slept) ? _rtcAtStartMs - slept.RtcMs : slept.WakeUptimeMs - slept.UptimeMs;
            _time.GoOn(_uptimeAtStartMs, slept.UptimeMs + sleptMs);
            _wakeUptimeMs = slept.WakeUptimeMs;
            _nextConnectMs = slept.NextConnectMs;
            _nextClockMs = slept.NextClockMs;
            _ceilingMs = slept.ConnectCeilingMs;
            clock.Resume(slept, sleptMs);
            health.Resume(slept);
            healthFrames.DueMs = slept.NextHealthMs;
            loop.GoOn(slept.Rounds);
        }

        /// <summary>Whether the radio is worth it now.</summary>
        public bool IsConnectDue()
        {
            long now = _time.UptimeMs();
            return _settings.GatewayHost.Length > 0 && now >= _nextConnectMs
                && (_store.Owed >= _settings.PublishFrames || (_clock.NeedsTime && now >= _nextClockMs));
        }

        /// <summary>How the connection went: a failure makes the next try wait, ever longer.</summary>
        public void CountConnection(bool allSent)
        {
            long now = _time.UptimeMs();
            _nextClockMs = !_clock.NeedsTime ? 0 : now + ClockAgainMs;
            if (allSent)
            {
                _ceilingMs = 0;
                _nextConnectMs = 0;
                return;
            }

            _ceilingMs = _ceilingMs == 0 ? ConnectAgainMsMin : _ceilingMs > ConnectAgainMsMax / 2 ? ConnectAgainMsMax : _ceilingMs * 2;
            int half = _ceilingMs / 2;
            _nextConnectMs = now + half + _random.Next(half + 1);
        }

        /// <summary>Writes everything that must survive, in one append. False: flash did not take it, and the node must stay awake.</summary>
        public bool Keep(long wakeUptimeMs)
        {
            SleepState state = new SleepState();
            state.UptimeMs = _time.UptimeMs();
            state.RtcMs = _time.WallMs();
            state.WakeUptimeMs = wakeUptimeMs;
            state.Rounds = _loop.Rounds;
            state.NextConnectMs = _nextConnectMs;
            state.NextClockMs = _nextClockMs;
            state.ConnectCeilingMs = _ceilingMs;
            state.NextHealthMs = _healthFrames.DueMs;
            _clock.Save(state);
            _health.Save(state);
            try
            {
                _store.KeepAsleep(state, _loop.Samples);
                _wakeUptimeMs = wakeUptimeMs;
                return true;
            }
            catch (IOException e)
            {
                _health.CountFlashFailure();
                NodeLog.Fault("keep-asleep", e);
                return false;
            }
        }

        private bool IsPlausible(SleepState slept)
        {
            long planned = slept.WakeUptimeMs - slept.UptimeMs;
            long passed = _rtcAtStartMs - slept.RtcMs;
            return passed >= planned / 10 * 9 && passed <= (2 * planned) + 60000;
        }

        private void SignLeftOver(FrameComposer composer, NodeStatus status)
        {
            if (_store.WaitingCount == 0)
            {
                return;
            }

            SleepState slept = _store.Slept;
            bool synchronised = slept.ClockOrigin != (byte)ClockOrigin.None && slept.ClockErrorMs <= NodeClock.SynchronisedErrorMsMax;
            SampleSet samples = new SampleSet();
            _store.CopyWaiting(samples);
            long first = samples.UptimeMs(0);
            for (int i = 0; i < Tries && _store.WaitingCount > 0; i++)
            {
                try
                {
                    ulong sequence = composer.Compose(samples, slept.BootCount, synchronised, synchronised ? first + slept.ClockOffsetMs : first);
                    NodeLog.Event("frame", "sequence=" + sequence.ToString() + " samples=" + samples.Count.ToString() + " of_boot=" + slept.BootCount.ToString());
                }
                catch (IOException e)
                {
                    _health.CountFlashFailure();
                    NodeLog.Fault("left-over", e);
                }
                catch (SignerException e)
                {
                    NodeLog.Fault("left-over", e); // it is on flash, and signed when it is read
                }
            }

            if (_store.WaitingCount > 0)
            {
                status.Set(BoardState.FlashFailed, "flash refused the samples of boot " + slept.BootCount.ToString());
            }
        }
    }
}
