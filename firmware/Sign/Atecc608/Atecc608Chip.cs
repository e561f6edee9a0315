using System;
using DePIN.Protocol;

namespace DePIN.Firmware.Sign.Atecc608
{
    /// <summary>
    /// The chip's commands, each repeated a bounded number of times while that can help: what the chip did not do is sent again, what
    /// it may have done only when doing it twice does no harm. Making a key and locking are never repeated blindly: who asked for them
    /// looks at the chip again. All methods throw <see cref="Atecc608Exception"/> when the tries are used up or the chip refuses.
    /// </summary>
    public sealed class Atecc608Chip
    {
        public const int PublicKeyBytes = 64;
        public const int SignatureBytes = 64;
        private const int RandomBytes = 32;
        private const int RevisionBytes = 4;
        private const byte FamilyRevision = 0x60;
        private const int TriesMax = 4;
        private const int PauseMs = 10;

        /// <summary>The longest time from a wake to the watchdog's sleep: 1.3 s typically, at most 1.7 s (tWATCHDOG).</summary>
        private const int WatchdogLongestMs = 1750;

        private readonly Atecc608Bus _bus;
        private readonly IChipClock _clock;
        private readonly string _name;

        // Until the configuration was read the slowest clock is assumed.
        private byte _chipMode = 0x68;

        public Atecc608Chip(int bus, int address, IChipClock clock)
        {
            _bus = new Atecc608Bus(bus, address, clock);
            _clock = clock;
            _name = "the ATECC608 at i2c=" + bus.ToString() + " address " + address.ToString();
        }

        /// <summary>For messages: which chip.</summary>
        public string Name
        {
            get { return _name; }
        }

        /// <summary>Info, revision: 4 bytes, 00 00 60 xx for this family (02: 608A, 03: 608B).</summary>
        public byte[] ReadRevision()
        {
            Run(Atecc608Command.Info, Atecc608Command.InfoRevision, 0, null, RevisionBytes, true, "Info");
            return Take(RevisionBytes);
        }

        /// <summary>Whether a chip of this family answers; false when nothing does.</summary>
        public bool Answers()
        {
            try
            {
                return IsFamily(ReadRevision());
            }
            catch (Atecc608Exception)
            {
                return false;
            }
        }

        /// <summary>Whether a revision is that of an ATECC608.</summary>
        public bool IsFamily(byte[] revision)
        {
            return revision[2] == FamilyRevision;
        }

        /// <summary>32 bytes of the chip's generator. Before the configuration is locked it gives a fixed pattern instead.</summary>
        public byte[] ReadRandom()
        {
            Run(Atecc608Command.Random, Atecc608Command.RandomSeedUpdate, 0, null, RandomBytes, true, "Random");
            return Take(RandomBytes);
        }

        /// <summary>The whole configuration zone, four blocks.</summary>
        public Atecc608Config ReadConfig()
        {
            byte[] bytes = new byte[Atecc608Config.Bytes];
            for (int block = 0; block < Atecc608Config.Bytes / Atecc608Config.BlockBytes; block++)
            {
                // Address of a block: its number from bit 3 on ("Address Encoding").
                Run(Atecc608Command.Read, Atecc608Command.ZoneConfig32, block << 3, null, Atecc608Config.BlockBytes, true, "Read");
                Array.Copy(_bus.Answer, 1, bytes, block * Atecc608Config.BlockBytes, Atecc608Config.BlockBytes);
            }

            Atecc608Config config = new Atecc608Config(bytes);
            _chipMode = config.ChipMode;
            return config;
        }

        /// <summary>Writes 4 bytes of the configuration zone, 16 to 127 except the locks.</summary>
        public void WriteConfigWord(int offset, byte[] word)
        {
            // Address of a word: the block from bit 3 on, the word in it below.
            Run(Atecc608Command.Write, Atecc608Command.ZoneConfig4, offset / Atecc608Config.WordBytes, word, 0, true, "Write");
        }

        /// <summary>Locks the configuration for ever, if it has this CRC.</summary>
        public void LockConfig(int checksum)
        {
            Run(Atecc608Command.Lock, Atecc608Command.LockConfig, checksum, null, 0, false, "Lock of the configuration");
        }

        /// <summary>Locks the data and OTP zones for ever.</summary>
        public void LockData()
        {
            Run(Atecc608Command.Lock, Atecc608Command.LockData, 0, null, 0, false, "Lock of the data zone");
        }

        /// <summary>Locks one slot for ever: its key is never replaced.</summary>
        public void LockSlot(int slot)
        {
            Run(Atecc608Command.Lock, (byte)(Atecc608Command.LockSlot | (slot << 2)), 0, null, 0, false, "Lock of slot " + slot.ToString());
        }

        /// <summary>Makes a new private key in the slot; returns X || Y.</summary>
        public byte[] CreateKey(int slot)
        {
            Run(Atecc608Command.GenKey, Atecc608Command.GenKeyCreate, slot, null, PublicKeyBytes, false, "GenKey in slot " + slot.ToString());
            return Take(PublicKeyBytes);
        }

        /// <summary>X || Y of the key in the slot; null when there is no key in it.</summary>
        public byte[] ReadPublicKey(int slot)
        {
            try
            {
                Run(Atecc608Command.GenKey, Atecc608Command.GenKeyPublic, slot, null, PublicKeyBytes, true, "GenKey (public) of slot " + slot.ToString());
            }
            catch (Atecc608Exception e)
            {
                // An empty slot's number is no private key: the computation fails, or is not begun.
                if (e.Fault == Atecc608Fault.Refused && (e.Status == Atecc608Status.ExecutionError || e.Status == Atecc608Status.EccFault))
                {
                    return null;
                }

                throw;
            }

            return Take(PublicKeyBytes);
        }

        /// <summary>
        /// r || s over a 32-byte digest, s as the chip gives it. Random first, so that its generator was seeded since power-up; then the
        /// digest; then the signature. A chip that slept in between has lost the digest: all three are done again.
        /// </summary>
        public void Sign(int slot, byte[] digest, int digestOffset, byte[] signature, int signatureOffset)
        {
            byte[] message = new byte[Sha256.DigestBytes];
            Array.Copy(digest, digestOffset, message, 0, Sha256.DigestBytes);
            Atecc608Fault fault = Atecc608Fault.None;
            for (int i = 0; i < TriesMax; i++)
            {
                fault = Once(Atecc608Command.Random, Atecc608Command.RandomSeedUpdate, 0, null, RandomBytes);
                if (fault == Atecc608Fault.None)
                {
                    fault = Once(Atecc608Command.Nonce, Atecc608Command.NoncePassThroughDigest, 0, message, 0);
                }

                if (fault == Atecc608Fault.None)
                {
                    fault = Once(Atecc608Command.Sign, Atecc608Command.SignExternalDigest, slot, null, SignatureBytes);
                }

                if (fault == Atecc608Fault.None)
                {
                    Array.Copy(_bus.Answer, 1, signature, signatureOffset, SignatureBytes);
                    _bus.Idle();
                    return;
                }

                // A refusal ends it, but for a fault in the computation, and once for a digest that went with an unseen sleep.
                if (fault == Atecc608Fault.Refused && _bus.Status != Atecc608Status.EccFault
                    && (_bus.Status != Atecc608Status.ExecutionError || i > 0))
                {
                    break;
                }

                Settle(fault);
            }

            Settle(fault);
            throw Failure(fault, "Sign in slot " + slot.ToString());
        }

        private void Run(byte opcode, byte param1, int param2, byte[] data, int answerBytes, bool mayRepeat, string what)
        {
            Atecc608Fault fault = Atecc608Fault.None;
            for (int i = 0; i < TriesMax; i++)
            {
                fault = Once(opcode, param1, param2, data, answerBytes);
                if (fault == Atecc608Fault.None)
                {
                    _bus.Idle();
                    return;
                }

                if ((fault == Atecc608Fault.Refused && (_bus.Status != Atecc608Status.EccFault || !mayRepeat))
                    || (fault == Atecc608Fault.Lost && !mayRepeat))
                {
                    break;
                }

                Settle(fault);
            }

            Settle(fault);
            throw Failure(fault, what);
        }

        private Atecc608Fault Once(byte opcode, byte param1, int param2, byte[] data, int answerBytes)
        {
            return _bus.Execute(opcode, param1, param2, data, answerBytes, Atecc608Command.LongestMs(opcode, _chipMode));
        }

        // Whatever comes next finds a chip that sleeps. One that hangs in a command does not take the sleep: its watchdog ends that.
        private void Settle(Atecc608Fault fault)
        {
            bool sleeps = _bus.Sleep();
            _clock.Wait(fault == Atecc608Fault.Lost && !sleeps ? WatchdogLongestMs : PauseMs);
        }

        private byte[] Take(int count)
        {
            byte[] data = new byte[count];
            Array.Copy(_bus.Answer, 1, data, 0, count);
            return data;
        }

        private Atecc608Exception Failure(Atecc608Fault fault, string what)
        {
            string text;
            switch (fault)
            {
                case Atecc608Fault.NoAnswer:
                    text = "no chip answers: check its power, SDA, SCL and the address in key=";
                    break;
                case Atecc608Fault.Lost:
                    text = "its answers do not arrive whole: check the bus's pull-ups and length";
                    break;
                default:
                    text = Atecc608Status.Text(_bus.Status);
                    break;
            }

            return new Atecc608Exception(fault, _bus.Status, _name + ": " + what + ": " + text);
        }
    }
}
