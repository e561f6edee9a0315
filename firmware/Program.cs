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
            NodeTime clockwork = new NodeTime(time);                                             // goes on through deep sleep
            NodeStatus status = new NodeStatus();
            NodeHealth health = new NodeHealth();
            Watchdog watchdog = new Watchdog();
            LifeSigns signs = new LifeSigns(StatusLed.Open(), status, health, watchdog, clockwork);
            Thread light = Stages.Start(() => signs.Run(stop));                                  // what the person on the ladder sees
            Wiping.Finish(flash);                                                                // promised at the button, before anything is open
            NodeSettings settings = NodeSettings.Open(flash);                                    // node.conf, then what came over serial
            Network network = new Network(settings, health);
            bool isTrial = Updater.IsOnTrial(flash, slot);                                       // then each start counts
            DeepSleep sleep = new DeepSleep(settings, clockwork, isTrial);                              // woken, or started?
            NodeClock clock = NodeClock.Open(flash, clockwork);
            Stages.Judge(status, settings);
            DeviceKey key = DeviceKey.Open(settings, flash, new HardwareEntropy(clockwork, network), status);   // begun once, never replaced
            SerialService service = new SerialService(flash, key, status, FirmwareVersion.Text, clockwork);
            service.Parts.Settings = settings;
            service.Parts.Health = health;
            service.Parts.Clock = clock;
            service.TakeFile(stop);                                                              // where the debug protocol has the only port
            Thread serial = Stages.Start(() => service.Run(stop));                               // answers in every state
            if (!status.MaySign)
            {
                Stages.AwaitKey(stop, status, key, Stages.KeyRetryMs);
                Stages.Finish(stop, false, serial, light, null, null);
                return;
            }

            FrameStore store = FrameStore.Open(flash, settings.RingBytes, key.Signer, sleep);    // a frame is on flash before it is signed
            NodeLog.Event(store.IsResumed ? "wake" : "boot", key.Describe() + " boot=" + store.BootCount.ToString() + " version=" + FirmwareVersion.Text + " " + store.Describe());
            SensorSet sensors = SensorSet.Open(settings, health, flash);
            service.Parts.Store = store;
            service.Parts.Sensors = sensors;
            FrameComposer composer = new FrameComposer(settings.ProfileOr(sensors.SuggestedProfile), key.Id, store, clock);
            HealthFrames healthFrames = new HealthFrames(settings.HealthSeconds, health, new FrameComposer(Profiles.Node, key.Id, store, clock), store, clock);
            SampleLoop loop = new SampleLoop(settings, status, sensors, composer, store, clock, clockwork, health, healthFrames);
            FramePublisher publisher = new FramePublisher(settings, key, store, clock, flash, network, health, watchdog, clockwork);
            sleep.Resume(store, clock, health, healthFrames, loop, composer, status);            // a wake-up goes on where the sleep began
            Updater updater = new Updater(settings, flash, slot, key.IdText, FirmwareVersion.Text, store, status, health, clockwork);
            publisher.Carry(updater.Line);
            Thread updating = Stages.Start(() => updater.Run(stop));                             // a new release, and whether it stays
            Thread publishing = Stages.StartUnless(sleep.IsEnabled, () => publisher.Run(stop));  // a PUBACK frees a frame
            PublishSession uplink = new PublishSession(publisher, store, clock, health, clockwork, settings.SntpServer);
            uplink.SideWork = updater;
            Stages.Ready(status, settings);
            NodeLife life = new NodeLife(settings, status, loop, sleep, uplink, clockwork, watchdog, store.IsResumed, new AwakePause(clockwork));
            bool asleep = life.Run(stop);                                                        // sample, sign, connect, publish, sleep: LifePlan
            Stages.AwaitKey(stop, status, key, Stages.KeyRetryMs);
            Stages.Finish(stop, asleep, serial, light, publishing, store);
            updating.Join(Stages.StopMs);
            Stages.Sleep(asleep, sleep, clockwork);
        }
    }
}
