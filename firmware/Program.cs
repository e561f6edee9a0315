using System;
using System.Threading;
using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Frame;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Life;
using DePIN.Firmware.Provision;
using DePIN.Firmware.Publish;
using DePIN.Firmware.Sense;
using DePIN.Firmware.Sign;
using DePIN.Firmware.Update;
using DePIN.Protocol;
using nanoFramework.Runtime.Native;

namespace DePIN.Firmware
{
    /// <summary>
    /// The node: sense, frame, keep, sign, publish. Start is the table of contents, in the order a reading goes; the same lines run on
    /// an ESP32 and on a virtual board, which gives another flash drive and its own switch-off.
    /// </summary>
    public static class Program
    {
        private const int RestartMs = 5000;

        public static void Main()
        {
            try
            {
                Start(new FileFlash(BoardPins.FlashRoot), new DeviceTime(), new StopSignal());
            }
            catch (Exception e)
            {
                NodeLog.Fault("start", e);
                Thread.Sleep(RestartMs);
            }

            Power.RebootDevice();
        }

        /// <summary>
        /// What the loader calls, by name: runs the node from a slot until a stop is asked for. Only types of the framework cross here,
        /// because the loader has its own load of the firmware's.
        /// </summary>
        public static void StartFromSlot(string slot, string flashRoot, ManualResetEvent stop)
        {
            Start(new FileFlash(flashRoot), new DeviceTime(), new StopSignal(stop), SlotFiles.SlotOf(slot));
        }

        /// <summary>Runs the node until a stop is asked for.</summary>
        public static void Start(IFlash flash, ITimeSource time, StopSignal stop)
        {
            Start(flash, time, stop, SlotFiles.None);
        }

        private static void Start(IFlash flash, ITimeSource time, StopSignal stop, int slot)
        {
            BoardPins.Route();
            NodeStatus status = new NodeStatus();
            NodeHealth health = new NodeHealth();
            Watchdog watchdog = new Watchdog();
            LifeSigns signs = new LifeSigns(StatusLed.Open(), status, health, watchdog, time);
            Thread light = Stages.Start(() => signs.Run(stop));                                  // what the person on the ladder sees
            NodeSettings settings = NodeSettings.Open(flash);                                    // node.conf, then what came over serial
            Network network = new Network(settings, health);
            NodeClock clock = NodeClock.Open(flash, time);
            Stages.Judge(status, settings);
            DeviceKey key = DeviceKey.Open(settings, flash, new HardwareEntropy(time, network), status);   // begun once, never replaced
            SerialService service = new SerialService(flash, key, status, FirmwareVersion.Text);
            Thread serial = Stages.Start(() => service.Run(stop));                               // answers in every state
            if (!status.MaySign)
            {
                Stages.AwaitKey(stop, status, key, Stages.KeyRetryMs);
                Stages.Finish(stop, serial, light, null, null);
                return;
            }

            FrameStore store = FrameStore.Open(flash, settings.RingBytes, key.Signer);           // a frame is on flash before it is signed
            NodeLog.Event("boot", key.Describe() + " boot=" + store.BootCount.ToString() + " version=" + FirmwareVersion.Text + " " + store.Describe());
            SensorSet sensors = SensorSet.Open(settings, health, flash);
            FrameComposer composer = new FrameComposer(settings.ProfileOr(sensors.SuggestedProfile), key.Id, store, clock);
            HealthFrames healthFrames = new HealthFrames(settings.HealthSeconds, health, new FrameComposer(Profiles.Node, key.Id, store, clock), store, clock);
            SampleLoop loop = new SampleLoop(settings, status, sensors, composer, store, clock, time, health, healthFrames, watchdog);
            FramePublisher publisher = new FramePublisher(settings, key, store, clock, flash, network, health, watchdog, time);
            Updater updater = new Updater(settings, flash, slot, key.IdText, FirmwareVersion.Text, store, status, health, time);
            publisher.Carry(updater.Line);
            Thread updating = Stages.Start(() => updater.Run(stop));                             // a new release, and whether it stays
            Thread publishing = Stages.Start(() => publisher.Run(stop));                         // a PUBACK frees a frame
            Stages.Ready(status, settings);
            loop.Run(stop);
            Stages.AwaitKey(stop, status, key, Stages.KeyRetryMs);
            Stages.Finish(stop, serial, light, publishing, store);
            updating.Join(Stages.StopMs);
        }
    }
}
