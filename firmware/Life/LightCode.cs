using DePIN.Firmware.Board;

namespace DePIN.Firmware.Life
{
    /// <summary>
    /// What the node's one light says: steady while the gateway takes frames; else so many flashes and a pause, the worst thing first.
    /// The table for the person on the ladder is in README.md.
    /// </summary>
    public static class LightCode
    {
        public const int Steady = 0;
        public const int NoWifi = 1;
        public const int NoGateway = 2;
        public const int NoClock = 3;
        public const int NoSensor = 4;
        public const int NotConfigured = 5;
        public const int SettingsInvalid = 6;
        public const int KeyDamaged = 7;
        public const int FlashFailed = 8;
        public const int WifiRefused = 9;

        /// <summary>The code for a state.</summary>
        public static int Of(BoardState state, NodeHealth health)
        {
            switch (state)
            {
                case BoardState.FlashFailed: return FlashFailed;
                case BoardState.KeyDamaged:
                case BoardState.KeyAbsent:
                case BoardState.KeyUnprovisioned:
                case BoardState.KeyForeign:
                    return KeyDamaged;
                case BoardState.SettingsInvalid: return SettingsInvalid;
                case BoardState.NotConfigured: return NotConfigured;
            }

            if (!health.HasNetwork)
            {
                return health.IsWifiRefused ? WifiRefused : NoWifi;
            }

            if (!health.IsConnected)
            {
                return NoGateway;
            }

            if (health.SensorsPresent == 0)
            {
                return NoSensor;
            }

            return health.IsClockSet ? Steady : NoClock;
        }
    }
}
