using System;
using System.Device.Wifi;
using System.Text;
using DePIN.Firmware.Board;
using DePIN.Protocol;

namespace DePIN.Firmware.Provision
{
    /// <summary>
    /// The board's side of Improv Wi-Fi (shared/Protocol/ImprovFrame.cs): any Improv client gives the board its network. The board is
    /// "provisioned" when its configuration names a network. Locked, it tells and changes nothing. The runtime's scan does not say which
    /// networks are open: all are told as secured, and an empty password is taken.
    /// </summary>
    public sealed class ImprovServer
    {
        public const int NetworksMax = 24;

        /// <summary>Where a gateway shows its page, unless its operator chose another.</summary>
        public const int GatewayPagePort = 8080;

        private readonly NodeParts _parts;
        private readonly WifiStation _wifi;
        private readonly OperatorLock _lock;
        private readonly ILineOutput _output;
        private readonly ImprovResult _result = new ImprovResult();
        private readonly byte[] _frame = new byte[ImprovFrame.WireBytesMax];
        private readonly byte[] _one = new byte[1];
        private byte _awaited;

        public ImprovServer(NodeParts parts, WifiStation wifi, OperatorLock locked, ILineOutput output)
        {
            _parts = parts;
            _wifi = wifi;
            _lock = locked;
            _output = output;
        }

        /// <summary>Takes one frame. Its bytes are erased where they hold a password.</summary>
        public void Take(byte type, byte[] buffer, int offset, int count)
        {
            if (type != ImprovTypes.Rpc)
            {
                return;
            }

            SendError(ImprovErrors.None);
            if (!ImprovRpc.IsValid(buffer, offset, count))
            {
                SendError(ImprovErrors.InvalidPacket);
                return;
            }

            byte command = buffer[offset + ImprovRpc.CommandOffset];
            try
            {
                Serve(command, buffer, offset, count);
            }
            catch (Exception e)
            {
                NodeLog.Fault("improv", e);
                SendError(ImprovErrors.Unknown);
            }

            NodeLog.Event("improv-request", "command=" + command.ToString());
        }

        /// <summary>Tells what a scan or a join came to. Called again and again.</summary>
        public void Tend()
        {
            if (_awaited == 0 || !_wifi.TakeEnd())
            {
                return;
            }

            byte command = _awaited;
            _awaited = 0;
            if (command == ImprovCommands.ScanNetworks)
            {
                SendNetworks(_wifi.Networks);
            }
            else if (_wifi.HasJoined)
            {
                NodeLog.Event("wifi", "joined=1");
                SendState(ImprovStates.Provisioned);
                SendUrl(command);
            }
            else
            {
                SendError(ImprovErrors.UnableToConnect);
                SendState(ImprovStates.Ready);
            }
        }

        private void Serve(byte command, byte[] buffer, int offset, int count)
        {
            bool sets = count > ImprovRpc.PayloadOffset;
            switch (command)
            {
                case ImprovCommands.WifiSettings:
                    BeginJoin(buffer, offset, count);
                    break;
                case ImprovCommands.CurrentState:
                    TellState(command, sets);
                    break;
                case ImprovCommands.DeviceInfo:
                    if (!Refuse(sets, ImprovErrors.InvalidPacket))
                    {
                        TellDevice(command);
                    }

                    break;
                case ImprovCommands.ScanNetworks:
                    if (!Refuse(sets, ImprovErrors.InvalidPacket) && !Refuse(_awaited != 0 || _wifi.Hangs, ImprovErrors.Unknown))
                    {
                        _awaited = command;
                        _wifi.BeginScan();
                    }

                    break;
                case ImprovCommands.Hostname:
                case ImprovCommands.DeviceName:
                    Label(command, buffer, offset, count);
                    break;
                default:
                    SendError(ImprovErrors.UnknownCommand);
                    break;
            }
        }

        private bool Refuse(bool isWrong, byte error)
        {
            if (isWrong)
            {
                SendError(error);
            }

            return isWrong;
        }

        private void BeginJoin(byte[] buffer, int offset, int count)
        {
            if (Refuse(!ImprovRpc.IsWifiSettings(buffer, offset, count), ImprovErrors.InvalidPacket)
                || Refuse(_awaited != 0 || _wifi.Hangs || _lock.IsLocked, ImprovErrors.Unknown))
            {
                return;
            }

            int at = offset + ImprovRpc.PayloadOffset;
            string ssid = Encoding.UTF8.GetString(buffer, at + 1, buffer[at]);
            at += 1 + buffer[at];
            string password = Encoding.UTF8.GetString(buffer, at + 1, buffer[at]);
            byte[] hostName = NodeLabel.Open(_parts.Flash).HostNameOr(_parts.Key.IdText);
            _awaited = ImprovCommands.WifiSettings;
            SendState(ImprovStates.Provisioning);
            _wifi.BeginJoin(ssid, password, Encoding.UTF8.GetString(hostName, 0, hostName.Length));
        }

        private void TellState(byte command, bool sets)
        {
            if (Refuse(sets, ImprovErrors.InvalidPacket))
            {
                return;
            }

            bool joins = _awaited == ImprovCommands.WifiSettings;
            bool provisioned = !joins && WifiStation.IsConfigured;
            SendState(joins ? ImprovStates.Provisioning : provisioned ? ImprovStates.Provisioned : ImprovStates.Ready);
            if (provisioned)
            {
                SendUrl(command);
            }
        }

        private void TellDevice(byte command)
        {
            _result.Begin(command);
            _result.Add(Encoding.UTF8.GetBytes("DePIN Edge"));
            _result.Add(Encoding.UTF8.GetBytes(_parts.Version));
            _result.Add(Encoding.UTF8.GetBytes(BoardPins.ChipName));
            _result.Add(NodeLabel.Open(_parts.Flash).NameOr(_parts.Key.IdText));
            SendResult();
        }

        private void Label(byte command, byte[] buffer, int offset, int count)
        {
            NodeLabel label = NodeLabel.Open(_parts.Flash);
            int length = count - ImprovRpc.PayloadOffset;
            if (length > 0)
            {
                byte[] text = new byte[length];
                Array.Copy(buffer, offset + ImprovRpc.PayloadOffset, text, 0, length);
                bool isHost = command == ImprovCommands.Hostname;
                if (Refuse(isHost && !NodeLabel.IsHostName(text), ImprovErrors.BadHostname)
                    || Refuse(!isHost && (length > SerialEnrolment.NameBytesMax || !Utf8Text.IsValid(text, 0, length)), ImprovErrors.InvalidPacket)
                    || Refuse(_lock.IsLocked, ImprovErrors.Unknown))
                {
                    return;
                }

                if (isHost)
                {
                    label.SetHostName(text);
                }
                else
                {
                    label.SetName(text);
                }
            }

            _result.Begin(command);
            _result.Add(command == ImprovCommands.Hostname ? label.HostNameOr(_parts.Key.IdText) : label.NameOr(_parts.Key.IdText));
            SendResult();
        }

        private void SendNetworks(WifiAvailableNetwork[] networks)
        {
            int sent = 0;
            for (int i = 0; networks != null && i < networks.Length && sent < NetworksMax; i++)
            {
                string ssid = networks[i].Ssid;
                if (ssid == null || ssid.Length == 0 || !IsStrongest(networks, i))
                {
                    continue;
                }

                _result.Begin(ImprovCommands.ScanNetworks);
                _result.Add(Encoding.UTF8.GetBytes(ssid));
                _result.Add(Encoding.UTF8.GetBytes(((int)networks[i].NetworkRssiInDecibelMilliwatts).ToString()));
                _result.Add(Encoding.UTF8.GetBytes("YES"));
                SendResult();
                sent++;
            }

            _result.Begin(ImprovCommands.ScanNetworks);
            SendResult();
        }

        // Of the access points with one name, the strongest (the first of equals) stands for all.
        private static bool IsStrongest(WifiAvailableNetwork[] networks, int index)
        {
            for (int i = 0; i < networks.Length; i++)
            {
                double more = networks[i].NetworkRssiInDecibelMilliwatts - networks[index].NetworkRssiInDecibelMilliwatts;
                if (networks[i].Ssid == networks[index].Ssid && (more > 0 || (more == 0 && i < index)))
                {
                    return false;
                }
            }

            return true;
        }

        private void SendUrl(byte command)
        {
            _result.Begin(command);
            string host = _parts.Settings != null ? _parts.Settings.GatewayHost : "";
            if (host.Length > 0)
            {
                _result.Add(Encoding.UTF8.GetBytes("http://" + (host.IndexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + GatewayPagePort.ToString() + "/"));
            }

            SendResult();
        }

        private void SendState(byte state)
        {
            _one[0] = state;
            Send(ImprovTypes.CurrentState, _one, 1);
        }

        private void SendError(byte error)
        {
            _one[0] = error;
            Send(ImprovTypes.ErrorState, _one, 1);
        }

        private void SendResult()
        {
            Send(ImprovTypes.RpcResult, _result.Data, _result.End());
        }

        private void Send(byte type, byte[] data, int count)
        {
            _output.Write(_frame, 0, ImprovFrame.Write(type, data, 0, count, _frame, 0));
        }
    }
}
