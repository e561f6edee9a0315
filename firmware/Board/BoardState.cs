namespace DePIN.Firmware.Board
{
    /// <summary>The one word a node has for how it is. Sent in the serial identity answer and printed at each change.</summary>
    public enum BoardState : byte
    {
        Starting = 0,
        Running = 1,
        /// <summary>node.conf has a value the node refuses: it waits for a configure request and says which key.</summary>
        SettingsInvalid = 2,
        /// <summary>No gateway is named yet: readings are signed and kept, nothing is sent.</summary>
        NotConfigured = 3,
        /// <summary>Both copies of the device key (or of the record of a secure element's) are unreadable. The node stops: a new key would be a new identity.</summary>
        KeyDamaged = 4,
        /// <summary>The flash drive does not take writes: the node stops signing, because it could not keep what it signed.</summary>
        FlashFailed = 5,
        /// <summary>The key cannot be used now: the secure element does not answer, or a key could not be made. It is looked for again.</summary>
        KeyAbsent = 6,
        /// <summary>The secure element is not set up for this node: not locked, another slot configuration, no key in the slot.</summary>
        KeyUnprovisioned = 7,
        /// <summary>A key is there, and it is not the identity this node has had: another chip, or another key setting.</summary>
        KeyForeign = 8,
    }

    /// <summary>Words for states: Enum.ToString prints a number on nanoFramework.</summary>
    public static class BoardStates
    {
        public static string Word(BoardState state)
        {
            switch (state)
            {
                case BoardState.Starting: return "starting";
                case BoardState.Running: return "running";
                case BoardState.SettingsInvalid: return "settings-invalid";
                case BoardState.NotConfigured: return "not-configured";
                case BoardState.KeyDamaged: return "key-damaged";
                case BoardState.FlashFailed: return "flash-failed";
                case BoardState.KeyAbsent: return "key-absent";
                case BoardState.KeyUnprovisioned: return "key-unprovisioned";
                case BoardState.KeyForeign: return "key-foreign";
                default: return "unknown";
            }
        }
    }
}
