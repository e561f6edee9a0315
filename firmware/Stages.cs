using System.Threading;
using DePIN.Firmware.Board;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Life;
using DePIN.Firmware.Sign;

namespace DePIN.Firmware
{
    /// <summary>Starting and ending the node's side threads (serial, light, publishing), and the verdict whether it may sign at all.</summary>
    public static class Stages
    {
        /// <summary>For a side thread to end.</summary>
        public const int StopMs = 15000;

        /// <summary>Between two looks for an absent key.</summary>
        public const int KeyRetryMs = 30000;

        public static Thread Start(ThreadStart run)
        {
            Thread thread = new Thread(run);
            thread.Start();
            return thread;
        }

        /// <summary>None for a node that sleeps: it publishes by the session.</summary>
        public static Thread StartUnless(bool sleeps, ThreadStart run)
        {
            return sleeps ? null : Start(run);
        }

        /// <summary>A bad setting stops the node with its key's name: it does not run on a guess.</summary>
        public static void Judge(NodeStatus status, NodeSettings settings)
        {
            if (settings.Problem != null)
            {
                status.Set(BoardState.SettingsInvalid, settings.Problem);
            }
        }

        /// <summary>Running, or signing and keeping without a gateway to send to.</summary>
        public static void Ready(NodeStatus status, NodeSettings settings)
        {
            if (settings.GatewayHost.Length > 0)
            {
                status.Set(BoardState.Running, "signing");
            }
            else
            {
                status.Set(BoardState.NotConfigured, "no gateway-host: readings are signed and kept, nothing is sent");
            }
        }

        /// <summary>In state key-absent: asks for a stop, and with it for a new start, when the key may be back. Else returns at once.</summary>
        public static void AwaitKey(StopSignal stop, NodeStatus status, DeviceKey key, int retryMs)
        {
            while (status.State == BoardState.KeyAbsent && !stop.Wait(retryMs))
            {
                if (key.MayBeBack())
                {
                    NodeLog.Event("key-back", "message=the node starts again");
                    stop.Request();
                }
            }
        }

        /// <summary>Waits until a stop is asked for (not by a node that goes to sleep: it asks for it), then for the side threads.</summary>
        public static void Finish(StopSignal stop, bool asleep, Thread serial, Thread light, Thread publishing, FrameStore store)
        {
            if (asleep)
            {
                stop.Request();
            }

            while (!stop.Wait(1000))
            {
            }

            if (publishing != null)
            {
                store.Wake();
                publishing.Join(StopMs);
            }

            serial.Join(StopMs);
            light.Join(StopMs);
        }

        /// <summary>Deep sleep until the next round, when everything is on flash.</summary>
        public static void Sleep(bool asleep, DeepSleep sleep, ITimeSource time)
        {
            if (asleep)
            {
                long milliseconds = sleep.WakeUptimeMs - time.UptimeMs();
                milliseconds = milliseconds > 1 ? milliseconds : 1;
                NodeLog.Event("sleep", "ms=" + milliseconds.ToString());
                ChipSleep.Enter(milliseconds);
            }
        }
    }
}
