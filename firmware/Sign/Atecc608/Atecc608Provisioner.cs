namespace DePIN.Firmware.Sign.Atecc608
{
    /// <summary>
    /// Sets a chip up for ever: slot configuration, lock of the configuration, a key made inside, lock of the data zone, lock of the
    /// slot. Each step looks first what is there already, so a power cut at any point is gone on from; each lock is read back. A key
    /// found while the data zone is open was perhaps not made inside: it is made anew, nobody has seen it yet.
    /// </summary>
    public sealed class Atecc608Provisioner
    {
        private readonly Atecc608Chip _chip;
        private readonly int _slot;

        public Atecc608Provisioner(Atecc608Chip chip, int slot)
        {
            _chip = chip;
            _slot = slot;
        }

        /// <summary>What keeps this chip from being used as it is, with what to do; null when nothing does.</summary>
        public string Missing(Atecc608Config config, byte[] publicKey)
        {
            if (!config.IsConfigLocked)
            {
                return "its configuration is not locked";
            }

            string problem = config.SlotProblem(_slot);
            if (problem != null)
            {
                return "slot " + _slot.ToString() + " is locked in another configuration: " + problem + "; name another slot or use another chip";
            }

            if (!config.IsDataLocked)
            {
                return "its data zone is not locked";
            }

            return publicKey == null ? "there is no key in slot " + _slot.ToString() : null;
        }

        /// <summary>Does what is missing. Throws SignerException when the chip cannot be set up any more, or fails.</summary>
        public void Run()
        {
            Atecc608Config config = _chip.ReadConfig();
            if (!config.IsConfigLocked)
            {
                config = LockConfiguration();
            }

            string problem = config.SlotProblem(_slot);
            if (problem != null)
            {
                throw new SignerException(_chip.Name + ": slot " + _slot.ToString() + " is locked in another configuration: " + problem
                    + "; name another slot or use another chip");
            }

            if (!config.IsDataLocked)
            {
                MakeKey();
                Try(Step.LockData);
                config = _chip.ReadConfig();
                Demand(config.IsDataLocked, "the data zone did not lock");
            }
            else if (_chip.ReadPublicKey(_slot) == null)
            {
                if (!config.MayMakeKey(_slot))
                {
                    throw new SignerException(_chip.Name + ": slot " + _slot.ToString()
                        + " has no key and is locked: name another slot or use another chip");
                }

                MakeKey();
            }

            if (!config.IsSlotLocked(_slot) && config.IsSlotLockable(_slot))
            {
                Try(Step.LockSlot);
                Demand(_chip.ReadConfig().IsSlotLocked(_slot), "slot " + _slot.ToString() + " did not lock");
            }
        }

        private enum Step
        {
            CreateKey = 0,
            LockData = 1,
            LockSlot = 2,
        }

        private Atecc608Config LockConfiguration()
        {
            Atecc608Config config = _chip.ReadConfig();
            config.SetUpSlot(_slot);
            _chip.WriteConfigWord(Atecc608Config.SlotConfigWord(_slot), config.Slice(Atecc608Config.SlotConfigWord(_slot)));
            _chip.WriteConfigWord(Atecc608Config.KeyConfigWord(_slot), config.Slice(Atecc608Config.KeyConfigWord(_slot)));
            Atecc608Config written = _chip.ReadConfig();
            Demand(written.SlotProblem(_slot) == null && written.Checksum == config.Checksum, "it did not keep its new configuration");
            try
            {
                _chip.LockConfig(written.Checksum);
            }
            catch (Atecc608Exception e)
            {
                PassOnUnlessLost(e);
            }

            written = _chip.ReadConfig();
            Demand(written.IsConfigLocked, "the configuration did not lock");
            return written;
        }

        private void MakeKey()
        {
            Try(Step.CreateKey);
            Demand(_chip.ReadPublicKey(_slot) != null, "it made no key");
        }

        // An answer that was lost on the way may stand for a step that was done: the chip itself says so afterwards.
        private void Try(Step step)
        {
            try
            {
                switch (step)
                {
                    case Step.CreateKey: _chip.CreateKey(_slot); break;
                    case Step.LockData: _chip.LockData(); break;
                    default: _chip.LockSlot(_slot); break;
                }
            }
            catch (Atecc608Exception e)
            {
                PassOnUnlessLost(e);
            }
        }

        private static void PassOnUnlessLost(Atecc608Exception e)
        {
            if (e.Fault != Atecc608Fault.Lost)
            {
                throw e;
            }
        }

        private void Demand(bool isSo, string what)
        {
            if (!isSo)
            {
                throw new SignerException(_chip.Name + ": " + what + ": switch the node off and on to try again");
            }
        }
    }
}
