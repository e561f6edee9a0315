namespace DePIN.Firmware.Sign.Atecc608
{
    /// <summary>Status bytes of the chip (ATECC608B data sheet, "Status/Error Codes") in words.</summary>
    public static class Atecc608Status
    {
        public const byte Success = 0x00;
        public const byte Miscompare = 0x01;
        public const byte ParseError = 0x03;
        public const byte EccFault = 0x05;
        public const byte SelfTestError = 0x07;
        public const byte HealthTestError = 0x08;
        public const byte ExecutionError = 0x0F;
        public const byte AfterWake = 0x11;
        public const byte WatchdogExpiring = 0xEE;
        public const byte CommunicationError = 0xFF;

        /// <summary>Whether the command was not executed and may be sent again.</summary>
        public static bool IsTransient(byte status)
        {
            return status == AfterWake || status == WatchdogExpiring || status == CommunicationError;
        }

        public static string Text(byte status)
        {
            switch (status)
            {
                case Success: return "success";
                case Miscompare: return "miscompare (0x01)";
                case ParseError: return "the command, its length or a parameter is not legal (0x03)";
                case EccFault: return "fault in the elliptic curve computation (0x05)";
                case SelfTestError: return "the chip failed its self test (0x07): replace it";
                case HealthTestError: return "the chip's random generator failed its health test (0x08): replace it";
                case ExecutionError: return "the chip's configuration or state does not allow it (0x0f)";
                case AfterWake: return "the chip had slept (0x11)";
                case WatchdogExpiring: return "the chip's watchdog is about to put it to sleep (0xee)";
                case CommunicationError: return "the command reached the chip damaged (0xff)";
                default: return "unknown status " + status.ToString();
            }
        }
    }
}
