using System;
using System.IO;
using System.Text;
using DePIN.Firmware.Board;
using DePIN.Firmware.Clock;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Sign;
using DePIN.Protocol;

namespace DePIN.Firmware.Provision
{
    /// <summary>
    /// Erases what was asked for, once somebody has held the board's button for five seconds after the request: whoever has only the cable,
    /// or only a line to it, erases nothing. The intention goes to flash first, then the node starts again and erases before anything is
    /// open, again at every start until it is done: a power cut leaves all of it or none. The key stays unless it is asked for by its own
    /// flag, because without it the board is another device. Frames that nobody has yet are given up only by number.
    /// </summary>
    public sealed class Wiping
    {
        public const string Name = "wipe";
        public const int HoldMs = 5000;
        public const int WindowMs = 30000;
        private const byte All = WipeFlags.Settings | WipeFlags.Key | WipeFlags.Frames;

        private readonly NodeParts _parts;
        private readonly PresenceButton _button = new PresenceButton();
        private byte _flags;
        private byte _state;
        private long _askedMs;
        private long _pressedMs;
        private bool _wasReleased;

        public Wiping(NodeParts parts)
        {
            _parts = parts;
        }

        /// <summary>Whether the proof was given and the intention is on flash: the node must start again.</summary>
        public bool IsDue
        {
            get { return _state == WipeStates.Done; }
        }

        /// <summary>Asks for the proof, where what is asked for may be erased at all.</summary>
        public void Ask(byte[] buffer, int offset, int count, SerialAnswer answer)
        {
            if (count != SerialTypes.WipeRequestBytes)
            {
                answer.Error(SerialErrors.WrongLength, "an erasure is its flags and the frames given up, 5 bytes");
                return;
            }

            byte flags = buffer[offset];
            string problem = Judge(flags, BigEndian.ReadUInt32(buffer, offset + 1));
            if (problem != null)
            {
                answer.Error(SerialErrors.Refused, problem);
                return;
            }

            _flags = flags;
            _askedMs = _parts.Time.UptimeMs();
            _wasReleased = false;
            _pressedMs = -1;
            _state = WipeStates.AwaitsButton;
            Tell(SerialTypes.WipeResponse, answer);
        }

        /// <summary>How far it is.</summary>
        public void Tell(byte type, SerialAnswer answer)
        {
            long left = _state == WipeStates.AwaitsButton ? WindowMs - (_parts.Time.UptimeMs() - _askedMs) : 0;
            left = left < 0 ? 0 : left;
            answer.Data[0] = _state;
            WriteMs(answer.Data, 1, HoldMs);
            WriteMs(answer.Data, 3, (int)left);
            answer.Set(type, 5);
        }

        /// <summary>Looks at the button. Called again and again.</summary>
        public void Tend()
        {
            if (_state != WipeStates.AwaitsButton && _state != WipeStates.Held)
            {
                return;
            }

            long now = _parts.Time.UptimeMs();
            if (!_button.IsPressed())
            {
                _wasReleased = true;
                _pressedMs = -1;
                _state = now - _askedMs > WindowMs ? WipeStates.Expired : WipeStates.AwaitsButton;
            }
            else if (_wasReleased)
            {
                _pressedMs = _pressedMs < 0 ? now : _pressedMs;
                _state = WipeStates.Held;
                if (now - _pressedMs >= HoldMs)
                {
                    Promise();
                }
            }
            else if (now - _askedMs > WindowMs)
            {
                _state = WipeStates.Expired;
            }
        }

        /// <summary>Erases what was promised, before anything else opens flash. Returns whether there was anything to do.</summary>
        public static bool Finish(IFlash flash)
        {
            TwoGenerations promise = new TwoGenerations(flash, Name);
            PairState state = promise.Open();
            if (promise.Value == null || promise.Value.Length == 0)
            {
                if (state == PairState.Damaged)
                {
                    // Cut while it was written: nothing was promised, nothing erased.
                    Delete(flash, Name);
                }

                return false;
            }

            byte flags = promise.Value[0];
            if ((flags & WipeFlags.Settings) != 0)
            {
                EraseSettings(flash, promise.Value);
            }

            if ((flags & WipeFlags.Frames) != 0)
            {
                if ((flags & WipeFlags.Key) == 0)
                {
                    FrameStore.KeepPlace(flash);
                }

                string[] names = flash.List();
                for (int i = 0; i < names.Length; i++)
                {
                    if (names[i].StartsWith(RingSegment.Prefix))
                    {
                        flash.Delete(names[i]);
                    }
                }
            }

            if ((flags & WipeFlags.Key) != 0)
            {
                // Last of all what belongs to the identity. The boot record, too: it is the old device's place in its chain.
                Delete(flash, FrameStore.BootName);
                Delete(flash, NodeClock.StoreName);
                flash.Delete(DeviceKey.NewName);
                Delete(flash, DeviceKey.Name);
            }

            Delete(flash, Name);
            NodeLog.Event("wiped", "flags=" + flags.ToString() + ((flags & WipeFlags.Key) != 0 ? " message=this board is another device now" : ""));
            return true;
        }

        private static void EraseSettings(IFlash flash, byte[] promise)
        {
            // Only what is certainly no file of the node's own: the name is whatever somebody set.
            NodeSettings settings = NodeSettings.Open(flash);
            string[] files = new string[] { settings.TlsCaFile, settings.TlsCertFile, settings.TlsKeyFile };
            for (int i = 0; i < files.Length; i++)
            {
                if (files[i].EndsWith(".pem"))
                {
                    flash.Delete(files[i]);
                }
            }

            // The line that names a secure element stays: without it a software key would be looked for, and that is another device.
            Delete(flash, EnrolmentStore.Name);
            Delete(flash, NodeLabel.StoreName);
            Delete(flash, OperatorLock.Name);
            Delete(flash, NodeSettings.SerialName);
            if (promise.Length > 1)
            {
                flash.Write(NodeSettings.FileName, promise, 1, promise.Length - 1);
            }
            else
            {
                flash.Delete(NodeSettings.FileName);
            }

            try
            {
                WifiStation.Forget();
            }
            catch (Exception e)
            {
                // A runtime without Wi-Fi has none to forget.
                NodeLog.Fault("forget-wifi", e);
            }
        }

        private static void Delete(IFlash flash, string pair)
        {
            flash.Delete(pair + ".b");
            flash.Delete(pair + ".a");
        }

        private string Judge(byte flags, uint given)
        {
            if (flags == 0 || (flags & ~All) != 0)
            {
                return "say what to erase: 1 settings, 2 key, 4 frames, or their sum";
            }

            if (!PresenceButton.Exists)
            {
                return BoardPins.BoardName + " has no button that could prove presence: erase it with nanoff --masserase";
            }

            if ((flags & WipeFlags.Key) != 0)
            {
                if (flags != All)
                {
                    return "the key goes only together with settings and frames (7): without it this board is another device";
                }

                if (_parts.Key.Signer != null && _parts.Key.Signer.KeyKind == KeyKinds.SecureElement)
                {
                    return "the key is in a secure element for ever: it cannot be erased";
                }
            }

            if ((flags & WipeFlags.Frames) != 0 && _parts.Store == null && given != uint.MaxValue)
            {
                return "the node does not run and cannot count the frames it owes: give up 4294967295, that is all of them";
            }

            if ((flags & WipeFlags.Frames) != 0 && _parts.Store != null && _parts.Store.Owed > given)
            {
                return _parts.Store.Owed.ToString() + " frames are owed to a gateway and would be lost: give up as many, or let them be sent first";
            }

            return null;
        }

        private void Promise()
        {
            string keep = "";
            if (_parts.Key.Signer != null && _parts.Key.Signer.KeyKind == KeyKinds.SecureElement && _parts.Settings != null && _parts.Settings.Key != null)
            {
                keep = "key=" + _parts.Settings.Key.Describe() + "\n";
            }

            byte[] line = Encoding.UTF8.GetBytes(keep);
            byte[] promise = new byte[1 + line.Length];
            promise[0] = _flags;
            Array.Copy(line, 0, promise, 1, line.Length);
            try
            {
                TwoGenerations store = new TwoGenerations(_parts.Flash, Name);
                store.Open();
                store.Write(promise);
                _state = WipeStates.Done;
                NodeLog.Event("wipe", "flags=" + _flags.ToString() + " message=the button was held: erased at the start that follows");
            }
            catch (IOException e)
            {
                _state = WipeStates.Expired;
                NodeLog.Fault("wipe", e);
            }
        }

        private static void WriteMs(byte[] data, int offset, int milliseconds)
        {
            data[offset] = (byte)((uint)milliseconds >> 8);
            data[offset + 1] = (byte)milliseconds;
        }
    }
}
