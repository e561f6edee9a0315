using System;
using System.IO;
using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Frame;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sign;

namespace DePIN.Firmware.Sense
{
    /// <summary>
    /// The node's heart: measure every interval, a frame every few rounds, without end. Rounds keep to the interval's grid instead of
    /// drifting by what a signature takes; a round that was missed is left out, not made up for.
    /// </summary>
    public sealed class SampleLoop
    {
        private const int FlashFailuresMax = 5;
        private const int SignFailuresMax = 5;

        private readonly NodeSettings _settings;
        private readonly NodeStatus _status;
        private readonly SensorSet _sensors;
        private readonly FrameComposer _composer;
        private readonly FrameStore _store;
        private readonly NodeClock _clock;
        private readonly ITimeSource _time;
        private readonly NodeHealth _health;
        private readonly HealthFrames _healthFrames;
        private readonly Watchdog _watchdog;
        private readonly SampleSet _samples = new SampleSet();
        private int _rounds;
        private int _flashFailures;
        private int _signFailures;

        public SampleLoop(NodeSettings settings, NodeStatus status, SensorSet sensors, FrameComposer composer, FrameStore store,
            NodeClock clock, ITimeSource time, NodeHealth health, HealthFrames healthFrames, Watchdog watchdog)
        {
            _settings = settings;
            _status = status;
            _sensors = sensors;
            _composer = composer;
            _store = store;
            _clock = clock;
            _time = time;
            _health = health;
            _healthFrames = healthFrames;
            _watchdog = watchdog;
        }

        /// <summary>Runs until a stop is asked for, or the state forbids signing.</summary>
        public void Run(StopSignal stop)
        {
            long next = _time.UptimeMs();
            while (!stop.IsRequested && _status.MaySign)
            {
                Turn();
                long now = _time.UptimeMs();
                next += _settings.IntervalMs;
                if (next < now)
                {
                    long missed = (now - next) / _settings.IntervalMs;
                    next += (missed + 1) * _settings.IntervalMs;
                }

                stop.Wait((int)(next - now));
            }

            _watchdog.Dismiss(Watchdog.Sampling);
        }

        /// <summary>All that is done once an interval: the clock, the health frame, a round of measurements.</summary>
        public void Turn()
        {
            _watchdog.Expect(Watchdog.Sampling, _time.UptimeMs(), _settings.IntervalMs);
            Tend();
            Round();
        }

        /// <summary>One round of measurements, and a frame when it is due.</summary>
        public void Round()
        {
            _sensors.Read(_samples, _time.UptimeMs());
            _rounds++;
            int perRound = _rounds == 0 ? 0 : (_samples.Count + _rounds - 1) / _rounds;
            bool full = _samples.Free < perRound;
            if (_samples.Count == 0 || (_rounds < _settings.SamplesPerFrame && !full))
            {
                return;
            }

            int count = _samples.Count;
            try
            {
                ulong sequence = _composer.Compose(_samples);
                _flashFailures = 0;
                _signFailures = 0;
                NodeLog.Event("frame", "sequence=" + sequence.ToString() + " samples=" + count.ToString() + " " + _store.Describe());
            }
            catch (IOException e)
            {
                CountFlashFailure();
                NodeLog.Event("frame-lost", "samples=" + count.ToString() + " message=flash did not take the frame: " + e.Message);
            }
            catch (SignerException e)
            {
                CountSignFailure(count, e);
            }

            _samples.Truncate(0);
            _rounds = 0;
        }

        private void CountFlashFailure()
        {
            _flashFailures++;
            _health.CountFlashFailure();
            if (_flashFailures >= FlashFailuresMax)
            {
                _status.Set(BoardState.FlashFailed, "flash refused " + _flashFailures.ToString() + " frames in a row");
            }
        }

        // The frame's body is on flash: it is signed when it is sent, if the key comes back.
        private void CountSignFailure(int samples, SignerException e)
        {
            _signFailures++;
            NodeLog.Event("sign-failed", "samples=" + samples.ToString() + " message=" + e.Message);
            if (_signFailures >= SignFailuresMax)
            {
                _status.Set(BoardState.KeyAbsent, e.Message);
            }
        }

        private void Tend()
        {
            try
            {
                _clock.Tend(_settings.SntpServer);
            }
            catch (IOException e)
            {
                NodeLog.Fault("keep-time", e);
            }

            _health.IsClockSet = _clock.IsSynchronised;
            try
            {
                _healthFrames.Tend(_time.UptimeMs());
            }
            catch (IOException e)
            {
                CountFlashFailure();
                NodeLog.Event("frame-lost", "message=flash did not take the health frame: " + e.Message);
            }
            catch (SignerException e)
            {
                CountSignFailure(HealthFrames.SamplesPerFrame, e);
            }
        }
    }
}
