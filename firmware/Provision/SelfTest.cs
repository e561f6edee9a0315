using System.Threading;
using DePIN.Firmware.Sense;
using DePIN.Protocol;

namespace DePIN.Firmware.Provision
{
    /// <summary>
    /// Reads every sensor once, on a thread of its own, and keeps what came of it until the next test. Bounded by the drivers' own time-outs; a
    /// round of measurements waits for one sensor at most. What it measures is in no frame; of a sensor that tells the peak since its last
    /// reading (LIS3DH) the test takes one.
    /// </summary>
    public sealed class SelfTest
    {
        private readonly object _gate = new object();
        private readonly NodeParts _parts;
        private SensorReport[] _reports;
        private bool _running;

        public SelfTest(NodeParts parts)
        {
            _parts = parts;
        }

        /// <summary>Begins a test, or tells what one sensor did in the last.</summary>
        public void Answer(byte[] buffer, int offset, int count, SerialAnswer answer)
        {
            if (count != 1)
            {
                answer.Error(SerialErrors.WrongLength, "a self-test is one byte: 255 to begin, or a sensor's number");
                return;
            }

            SensorSet sensors = _parts.Sensors;
            if (sensors == null)
            {
                answer.Error(SerialErrors.NotReady, "the sensors do not run: " + _parts.Status.Describe());
                return;
            }

            byte asked = buffer[offset];
            lock (_gate)
            {
                if (asked == SerialTypes.SelfTestBegin)
                {
                    if (!_running)
                    {
                        _running = true;
                        new Thread(Run).Start();
                    }

                    Head(sensors, answer, 2);
                    return;
                }

                if (asked >= sensors.Count)
                {
                    answer.Error(SerialErrors.Refused, "there are " + sensors.Count.ToString() + " sensors");
                    return;
                }

                if (_reports == null && !_running)
                {
                    answer.Error(SerialErrors.Refused, "no self-test was begun");
                    return;
                }

                if (_running)
                {
                    Head(sensors, answer, 2);
                    return;
                }

                SensorReport report = _reports[asked];
                answer.Data[2] = report.IsPresent ? (byte)1 : (byte)0;
                answer.Data[3] = report.HasRead ? (byte)1 : (byte)0;
                answer.Data[4] = (byte)((uint)report.Milliseconds >> 8);
                answer.Data[5] = (byte)report.Milliseconds;
                Head(sensors, answer, 6);
                answer.AddText(report.Text);
            }
        }

        private void Head(SensorSet sensors, SerialAnswer answer, int count)
        {
            answer.Data[0] = _running ? (byte)1 : (byte)2;
            answer.Data[1] = (byte)sensors.Count;
            answer.Set(SerialTypes.SelfTestResponse, count);
        }

        private void Run()
        {
            SensorSet sensors = _parts.Sensors;
            SensorReport[] reports = new SensorReport[sensors.Count];
            for (int i = 0; i < reports.Length; i++)
            {
                long begun = _parts.Time.UptimeMs();
                reports[i] = sensors.Test(i, begun);
                long took = _parts.Time.UptimeMs() - begun;
                reports[i].Milliseconds = took > ushort.MaxValue ? ushort.MaxValue : (int)took;
            }

            lock (_gate)
            {
                _reports = reports;
                _running = false;
            }
        }
    }
}
