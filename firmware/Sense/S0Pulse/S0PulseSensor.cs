using System;
using System.Device.Gpio;
using System.IO;
using System.Threading;
using DePIN.Firmware.Board;
using DePIN.Firmware.Keep;
using DePIN.Protocol;

namespace DePIN.Firmware.Sense.S0Pulse
{
    /// <summary>
    /// Counts the impulses of a meter's S0 output (DIN 43864, IEC 62053-31: closed and open for at least 30 ms each) in an interrupt, and
    /// keeps the count on flash in two generations. It is written at most once in <see cref="SaveMs"/>, and only when it changed; a power
    /// cut loses the impulses since, so the first reading after a boot is marked.
    /// </summary>
    public sealed class S0PulseSensor : ISensor
    {
        /// <summary>First reading after a boot: impulses since the last write, and while the node was off, are missing.</summary>
        public const byte QualityResumed = 1;

        /// <summary>First reading after a boot that found both kept counts unreadable: the count begins at 0.</summary>
        public const byte QualityCountLost = 2;

        /// <summary>Half of the shortest impulse and of the shortest pause: contacts bounce for less.</summary>
        public const int DebounceMs = 15;

        /// <summary>Between two writes to flash: at most 105,120 a year.</summary>
        public const int SaveMs = 300000;

        /// <summary>Files s0.a and s0.b: the count, u64 BE.</summary>
        public const string FileName = "s0";

        private const int CountBytes = 8;
        private const long JoulePerKwh = 3600000;
        private const int SamplesPerReading = 2;

        private readonly IFlash _flash;
        private readonly int _pinNumber;
        private readonly long _impulsesPerKwh;
        private GpioPin _pin;
        private TwoGenerations _kept;
        private int _impulses;
        private long _total;
        private long _savedTotal;
        private long _saveDueMs;
        private bool _isFirst = true;
        private byte _firstQuality;

        /// <param name="flash">Keeps the count; null: it is never there, because a count that is not kept is none.</param>
        /// <param name="pinNumber">-1: settings name none, it is never there.</param>
        public S0PulseSensor(IFlash flash, int pinNumber, int impulsesPerKwh)
        {
            _flash = flash;
            _pinNumber = pinNumber;
            _impulsesPerKwh = impulsesPerKwh;
        }

        public string Name
        {
            get { return "s0"; }
        }

        public ushort Profile
        {
            get { return Profiles.Energy; }
        }

        /// <summary>A contact cannot be asked whether it is there: configured is present.</summary>
        public bool Open()
        {
            if (_flash == null || _pinNumber < 0)
            {
                return false;
            }

            if (_pin == null)
            {
                Resume();
                GpioPin pin = new GpioController().OpenPin(_pinNumber, PinMode.InputPullUp);
                pin.DebounceTimeout = new TimeSpan(DebounceMs * TimeSpan.TicksPerMillisecond);
                pin.ValueChanged += OnEdge;
                _pin = pin;
            }

            return true;
        }

        public bool Read(SampleSet samples, long uptimeMs)
        {
            _total += Interlocked.Exchange(ref _impulses, 0);
            if (_isFirst && samples.Free >= SamplesPerReading)
            {
                // Not at once: a node that boots again and again must not write each time.
                _saveDueMs = uptimeMs + SaveMs;
            }

            if (samples.Free >= SamplesPerReading)
            {
                byte quality = _isFirst ? _firstQuality : (byte)0;
                _isFirst = false;
                samples.Add(Channels.MeterImpulses, 0, quality, _total, uptimeMs);
                samples.Add(Channels.MeterEnergy, 0, quality, Joule(), uptimeMs);
            }

            if (!_isFirst && uptimeMs >= _saveDueMs && _total != _savedTotal)
            {
                // A write that fails has worn the flash as well: it is not tried again before its time.
                _saveDueMs = uptimeMs + SaveMs;
                Save();
            }

            return true;
        }

        // Whole kWh first: no number of impulses overflows, and the rest is cut to 1 J without adding up.
        private long Joule()
        {
            long whole = _total / _impulsesPerKwh;
            long rest = _total % _impulsesPerKwh;
            return (whole * JoulePerKwh) + (rest * JoulePerKwh / _impulsesPerKwh);
        }

        // The contact closes against the pull-up: an impulse begins with a falling edge.
        private void OnEdge(object sender, PinValueChangedEventArgs e)
        {
            if (e.ChangeType == PinEventTypes.Falling)
            {
                Interlocked.Increment(ref _impulses);
            }
        }

        private void Resume()
        {
            _kept = new TwoGenerations(_flash, FileName);
            PairState state = _kept.Open();
            if (state == PairState.Absent)
            {
                return;
            }

            if (_kept.Value == null || _kept.Value.Length != CountBytes)
            {
                _firstQuality = QualityCountLost;
                NodeLog.Event("s0-lost", "message=both kept counts are unreadable: the count begins at 0");
                return;
            }

            _firstQuality = QualityResumed;
            _total = (long)BigEndian.ReadUInt64(_kept.Value, 0);
            _savedTotal = _total;
        }

        private void Save()
        {
            byte[] count = new byte[CountBytes];
            BigEndian.WriteUInt64(count, 0, (ulong)_total);
            try
            {
                _kept.Write(count);
                _savedTotal = _total;
            }
            catch (IOException e)
            {
                NodeLog.Fault("keep-s0", e);
            }
        }
    }
}
