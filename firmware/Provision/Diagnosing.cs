using DePIN.Firmware.Board;
using DePIN.Firmware.Publish;
using DePIN.Protocol;
using nanoFramework.Runtime.Native;

namespace DePIN.Firmware.Provision
{
    /// <summary>How the node is, in lines key=value, for whoever stands before it with a cable: counts and states, no secret.</summary>
    public static class Diagnosing
    {
        private const byte NodePage = 0;
        private const byte FaultsPage = 1;

        /// <summary>Answers a page.</summary>
        public static void Answer(NodeParts parts, OperatorLock locked, byte[] buffer, int offset, int count, SerialAnswer answer)
        {
            if (count != 1 || buffer[offset] > FaultsPage)
            {
                answer.Error(SerialErrors.WrongLength, "diagnostics are page 0 (the node) or 1 (its last faults)");
                return;
            }

            byte page = buffer[offset];
            answer.Set(SerialTypes.DiagnosticsResponse, 0);
            if (page == NodePage)
            {
                AddNode(parts, locked, answer);
            }
            else
            {
                string fault = FaultLog.Read(0);
                for (int age = 1; fault != null && answer.AddLine("fault", fault); age++)
                {
                    fault = FaultLog.Read(age);
                }
            }
        }

        // The most telling first: what does not fit any more is left out whole.
        private static void AddNode(NodeParts parts, OperatorLock locked, SerialAnswer answer)
        {
            answer.AddLine("state", parts.Status.Describe());
            answer.AddLine("version", parts.Version);
            answer.AddLine("board", BoardPins.BoardName);
            answer.AddLine("uptime-s", (parts.Time.UptimeMs() / 1000).ToString());
            answer.AddLine("locked", locked.IsLocked ? "1" : "0");
            answer.AddLine("wifi", WifiProbe.ConfiguredSsid);
            if (parts.Health != null)
            {
                answer.AddLine("network", parts.Health.HasNetwork ? "1" : "0");
                answer.AddLine("connected", parts.Health.IsConnected ? "1" : "0");
                answer.AddLine("sensors", parts.Health.SensorsPresent.ToString());
                answer.AddLine("wifi-failures", parts.Health.WifiFailures.ToString());
                answer.AddLine("connect-failures", parts.Health.ConnectFailures.ToString());
                answer.AddLine("gateway-refusals", parts.Health.GatewayRefusals.ToString());
                answer.AddLine("sensor-failures", parts.Health.SensorFailures.ToString());
                answer.AddLine("flash-failures", parts.Health.FlashFailures.ToString());
            }

            if (parts.Store != null)
            {
                answer.AddLine("boots", parts.Store.BootCount.ToString());
                answer.AddLine("owed", parts.Store.Owed.ToString());
                answer.AddLine("dropped", parts.Store.Dropped.ToString());
                answer.AddLine("refused", parts.Store.Refused.ToString());
            }

            if (parts.Settings != null)
            {
                answer.AddLine("ring-bytes", parts.Settings.RingBytes.ToString());
                answer.AddLine("gateway", parts.Settings.GatewayHost);
            }

            if (parts.Clock != null)
            {
                answer.AddLine("clock", ((int)parts.Clock.Origin).ToString());
                answer.AddLine("clock-steps", parts.Clock.Steps.ToString());
                answer.AddLine("clock-refused", parts.Clock.Refused.ToString());
            }

            answer.AddLine("memory-free", GC.Run(false).ToString());
            string fault = FaultLog.Read(0);
            if (fault != null)
            {
                answer.AddLine("fault", fault);
            }
        }
    }
}
