namespace DePIN.Firmware.Sense.Max30102
{
    /// <summary>
    /// Heart rate and oxygen saturation from six seconds of red and infrared light, in integers. The method is that of Maxim's reference
    /// design (MAXREFDES117 and application note AN6845): four-point moving average, beats as peaks of the inverted infrared, ratio of
    /// ratios R = (AC red / DC red) / (AC infrared / DC infrared), SpO2 = -45.060 R² + 30.354 R + 94.845. Not a medical device.
    /// </summary>
    public sealed class PulseEstimator
    {
        public const int SamplesPerSecond = 25;
        public const int SamplesMax = 6 * SamplesPerSecond;

        public const byte QualityGood = 0;

        /// <summary>Weak, irregular, saturated, or samples were lost: values in doubt, or none.</summary>
        public const byte QualityPoor = 2;
        public const byte QualityNoFinger = 3;

        /// <summary>Infrared of a finger is beyond 100,000 at 7.2 mA, of air below 10,000.</summary>
        public const int FingerMin = 50000;

        /// <summary>A pulse below a thousandth of the light is as great as what moves it otherwise.</summary>
        public const int PerfusionMillionthsMin = 1000;

        private const int Smooth = 4;

        // 280 ms, 214 beats a minute: what comes earlier belongs to the same beat.
        private const int SamplesBetweenBeatsMin = 7;
        private const int BeatsMin = 3;
        private const int BeatsMax = 24;
        private const int RatioMin = 20;
        private const int RatioMax = 1840;

        private readonly int[] _red = new int[SamplesMax];
        private readonly int[] _infrared = new int[SamplesMax];
        private readonly int[] _pulse = new int[SamplesMax];
        private readonly int[] _beats = new int[BeatsMax];
        private int _count;
        private int _beatCount;
        private bool _isDoubtful;

        /// <summary>How many samples there are.</summary>
        public int Count
        {
            get { return _count; }
        }

        /// <summary>Of everything that follows; valid after <see cref="Evaluate"/>.</summary>
        public byte Quality { get; private set; }

        /// <summary>0.1 beats a minute; 0: none was found.</summary>
        public int HeartRateTenths { get; private set; }

        /// <summary>0.001 % oxygen saturation; 0: none was found.</summary>
        public int SaturationThousandths { get; private set; }

        /// <summary>Perfusion index, millionths: how much of the infrared pulses.</summary>
        public int PerfusionMillionths { get; private set; }

        /// <summary>Mean infrared so far says that a finger is there.</summary>
        public bool HasFinger
        {
            get { return _count > 0 && Mean(_infrared, 0, _count) >= FingerMin; }
        }

        /// <summary>Forgets all samples.</summary>
        public void Clear()
        {
            _count = 0;
            _isDoubtful = false;
        }

        /// <summary>Samples were lost before the next one: times are not to be trusted.</summary>
        public void Doubt()
        {
            _isDoubtful = true;
        }

        /// <summary>Takes a sample, 0 to 262,143 each; what is beyond six seconds is left out.</summary>
        public void Add(int red, int infrared)
        {
            if (_count == SamplesMax)
            {
                return;
            }

            _red[_count] = red;
            _infrared[_count] = infrared;
            _isDoubtful |= red >= Max30102Register.SampleMax || infrared >= Max30102Register.SampleMax;
            _count++;
        }

        /// <summary>Computes everything from the samples there are.</summary>
        public void Evaluate()
        {
            HeartRateTenths = 0;
            SaturationThousandths = 0;
            PerfusionMillionths = 0;
            Quality = QualityNoFinger;
            if (!HasFinger)
            {
                return;
            }

            Quality = QualityPoor;
            if (_count < SamplesMax)
            {
                return;
            }

            FindBeats();
            if (_beatCount < BeatsMin)
            {
                PerfusionMillionths = Perfusion(RawSwing(0, _count - 1), 1);
                return;
            }

            int first = _beats[0];
            int span = _beats[_beatCount - 1] - first;
            int intervals = _beatCount - 1;
            long swingRed = 0;
            long swingInfrared = 0;
            long swingRaw = 0;
            bool isRegular = true;
            for (int i = 0; i < intervals; i++)
            {
                swingRed += Swing(_red, _beats[i], _beats[i + 1]);
                swingInfrared += Swing(_infrared, _beats[i], _beats[i + 1]);
                swingRaw += RawSwing(_beats[i], _beats[i + 1]);

                // Each interval within a quarter of the mean one.
                int off = ((_beats[i + 1] - _beats[i]) * intervals) - span;
                isRegular &= (off < 0 ? -off : off) * 4 <= span;
            }

            PerfusionMillionths = Perfusion(swingRaw, intervals);
            HeartRateTenths = ((60 * 10 * SamplesPerSecond * intervals) + (span / 2)) / span;
            long ratio = Ratio(swingRed, swingInfrared);
            if (ratio >= RatioMin && ratio <= RatioMax)
            {
                SaturationThousandths = Saturation(ratio);
            }

            if (isRegular && !_isDoubtful && SaturationThousandths != 0 && PerfusionMillionths >= PerfusionMillionthsMin)
            {
                Quality = QualityGood;
            }
        }

        /// <summary>0.001 % from thousandths of the ratio of ratios: -45.060 R² + 30.354 R + 94.845, 0 to 100 %.</summary>
        public static int Saturation(long ratioThousandths)
        {
            // In 10^-9 of a percent, so that nothing is rounded before the end.
            long plus = 94845000000 + (30354000 * ratioThousandths);
            long minus = 45060 * ratioThousandths * ratioThousandths;
            if (plus <= minus)
            {
                return 0;
            }

            long saturation = (plus - minus + 500000) / 1000000;
            return saturation > 100000 ? 100000 : (int)saturation;
        }

        // Peaks of the inverted, smoothed infrared without its drift that are above a third of the highest.
        private void FindBeats()
        {
            int length = _count - Smooth + 1;
            int half = length / 2;
            int early = SmoothMean(0, half);
            int late = SmoothMean(length - half, half);
            int highest = 0;
            for (int i = 0; i < length; i++)
            {
                // The line through the means of both halves, at a quarter and at three quarters.
                long line = early + ((long)(late - early) * ((4 * i) - length) / (2 * length));
                _pulse[i] = (int)line - Smoothed(_infrared, i);
                highest = _pulse[i] > highest ? _pulse[i] : highest;
            }

            _beatCount = 0;
            int threshold = highest / 3;
            for (int i = 1; i + 1 < length; i++)
            {
                if (_pulse[i] <= threshold || _pulse[i] <= _pulse[i - 1] || _pulse[i] < _pulse[i + 1])
                {
                    continue;
                }

                if (_beatCount > 0 && i - _beats[_beatCount - 1] < SamplesBetweenBeatsMin)
                {
                    _beats[_beatCount - 1] = _pulse[i] > _pulse[_beats[_beatCount - 1]] ? i : _beats[_beatCount - 1];
                }
                else if (_beatCount < BeatsMax)
                {
                    _beats[_beatCount] = i;
                    _beatCount++;
                }
            }
        }

        // Thousandths.
        private long Ratio(long swingRed, long swingInfrared)
        {
            long below = Mean(_red, 0, _count) * swingInfrared;
            return below == 0 ? 0 : ((swingRed * Mean(_infrared, 0, _count) * 1000) + (below / 2)) / below;
        }

        private int Perfusion(long swing, int beats)
        {
            return (int)(swing * 1000000 / (Mean(_infrared, 0, _count) * beats));
        }

        // Greatest minus smallest of the smoothed signal between two samples, both included; four times too large.
        private static long Swing(int[] signal, int from, int to)
        {
            int smallest = Smoothed(signal, from);
            int greatest = smallest;
            for (int i = from + 1; i <= to; i++)
            {
                int value = Smoothed(signal, i);
                smallest = value < smallest ? value : smallest;
                greatest = value > greatest ? value : greatest;
            }

            return greatest - smallest;
        }

        // Greatest minus smallest infrared as measured: the moving average takes up to half of a fast pulse.
        private long RawSwing(int from, int to)
        {
            int smallest = _infrared[from];
            int greatest = smallest;
            for (int i = from + 1; i <= to; i++)
            {
                smallest = _infrared[i] < smallest ? _infrared[i] : smallest;
                greatest = _infrared[i] > greatest ? _infrared[i] : greatest;
            }

            return greatest - smallest;
        }

        private static int Smoothed(int[] signal, int index)
        {
            return signal[index] + signal[index + 1] + signal[index + 2] + signal[index + 3];
        }

        private int SmoothMean(int from, int count)
        {
            long sum = 0;
            for (int i = from; i < from + count; i++)
            {
                sum += Smoothed(_infrared, i);
            }

            return (int)(sum / count);
        }

        private static long Mean(int[] signal, int from, int count)
        {
            long sum = 0;
            for (int i = from; i < from + count; i++)
            {
                sum += signal[i];
            }

            return sum / count;
        }
    }
}
