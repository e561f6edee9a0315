using DePIN.Firmware.Board;
using DePIN.Firmware.Publish;
using DePIN.Firmware.Sense;

namespace DePIN.Firmware.Life
{
    /// <summary>
    /// Goes through the stages of <see cref="LifePlan"/>, without end or until the chip may sleep. Rounds keep to the interval's grid instead of
    /// drifting by what a signature takes; a round that was missed is left out, not made up for.
    /// </summary>
    public sealed class NodeLife
    {
        /// <summary>After power-on or reset a node stays awake so long, so that somebody can talk to it over serial.</summary>
        public const int AwakeAfterBootMs = 60000;

        private readonly NodeSettings _settings;
        private readonly NodeStatus _status;
        private readonly SampleLoop _loop;
        private readonly DeepSleep _sleep;
        private readonly IUplink _uplink;
        private readonly ITimeSource _time;
        private readonly Watchdog _watchdog;
        private readonly IPause _pause;
        private readonly LifeFacts _facts = new LifeFacts();
        private long _next;
        private long _awakeUntilMs;

        /// <param name="isResumed">This is a wake-up, not a boot.</param>
        public NodeLife(NodeSettings settings, NodeStatus status, SampleLoop loop, DeepSleep sleep, IUplink uplink, ITimeSource time, Watchdog watchdog, bool isResumed, IPause pause)
        {
            _settings = settings;
            _status = status;
            _loop = loop;
            _sleep = sleep;
            _uplink = uplink;
            _time = time;
            _watchdog = watchdog;
            _pause = pause;
            _next = sleep.WakeUptimeMs;
            _awakeUntilMs = isResumed ? 0 : time.UptimeMs() + AwakeAfterBootMs;
        }

        /// <summary>Until a stop is asked for, the state forbids signing, or everything is on flash and the chip may sleep: then true.</summary>
        public bool Run(StopSignal stop)
        {
            LifeStage stage = LifeStage.Boot;
            bool mayForget = false;
            while (stage != LifeStage.End && stage != LifeStage.Provision && !stop.IsRequested)
            {
                Do(stage, stop);
                _facts.MaySign = _status.MaySign;
                _facts.Sleeps = _sleep.IsEnabled;
                _facts.ConnectDue = _facts.Sleeps && _sleep.IsConnectDue();
                _facts.NapTooShort = _next - _time.UptimeMs() < DeepSleep.NapMsMin;
                mayForget = stage == LifeStage.Sleep && _facts.Kept;
                stage = LifePlan.Next(stage, _facts);
            }

            _watchdog.Dismiss(Watchdog.Sampling);
            return mayForget && !stop.IsRequested;
        }

        private void Do(LifeStage stage, StopSignal stop)
        {
            switch (stage)
            {
                case LifeStage.Sample:
                    _watchdog.Expect(Watchdog.Sampling, _time.UptimeMs(), _settings.IntervalMs);
                    _loop.Tend();
                    _facts.FrameDue = _loop.Measure();
                    if (_next - _time.UptimeMs() < _settings.IntervalMs / 2)
                    {
                        _next += _settings.IntervalMs; // this was that round, also when a timer was a little early
                    }

                    PlanNext();
                    break;
                case LifeStage.Sign:
                    _loop.MakeFrame();
                    break;
                case LifeStage.Connect:
                    _facts.Connected = _uplink.Open(stop);
                    if (!_facts.Connected)
                    {
                        _sleep.CountConnection(false);
                    }

                    PlanNext();
                    break;
                case LifeStage.Publish:
                    _sleep.CountConnection(_uplink.Drain(stop));
                    PlanNext();
                    break;
                case LifeStage.Rest:
                    PlanNext();
                    long wait = _next - _time.UptimeMs();
                    _pause.Wait(wait > 0 ? wait : 0, stop);
                    break;
                case LifeStage.Sleep:
                    long awake = _awakeUntilMs - _time.UptimeMs();
                    if (awake > 0)
                    {
                        _pause.Wait(awake, stop);
                    }

                    PlanNext();
                    _facts.Kept = !stop.IsRequested && _sleep.Keep(_next);
                    break;
            }
        }

        // The first place on the grid that is not over.
        private void PlanNext()
        {
            long now = _time.UptimeMs();
            if (_next <= now)
            {
                _next += ((now - _next) / _settings.IntervalMs * _settings.IntervalMs) + _settings.IntervalMs;
            }
        }
    }
}
