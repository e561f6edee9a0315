using DePIN.Firmware.Board;
using DePIN.Protocol;

namespace DePIN.Firmware.Sign
{
    /// <summary>
    /// Where the device's key lives, as the setting key= says it: "software:" (in flash) or "atecc608:i2c=1,addr=0x60,slot=0" (in a
    /// secure element; all three parts, each once, in any order). What is not understood is no key at all, never the other kind.
    /// </summary>
    public sealed class KeyUri
    {
        public const string SoftwareText = "software:";
        private const string ElementScheme = "atecc608:";
        private const string Form = "key is software: or atecc608:i2c=1,addr=0x60,slot=0";

        /// <summary>7-bit addresses that I2C does not reserve (NXP UM10204, section 3.1.12).</summary>
        private const int AddressMin = 0x08;
        private const int AddressMax = 0x77;
        private const int SlotMax = 15;
        private const int Missing = -1;
        private const string HexDigits = "0123456789abcdef";

        /// <summary>One of <see cref="KeyKinds"/>.</summary>
        public readonly byte Kind;

        public readonly int I2cBus;

        /// <summary>7 bits.</summary>
        public readonly int Address;

        public readonly int Slot;

        private KeyUri(byte kind, int bus, int address, int slot)
        {
            Kind = kind;
            I2cBus = bus;
            Address = address;
            Slot = slot;
        }

        public static KeyUri Software()
        {
            return new KeyUri(KeyKinds.Software, 0, 0, 0);
        }

        /// <summary>Reads it; null when it is wrong, and <paramref name="problem"/> names what.</summary>
        public static KeyUri Parse(string text, out string problem)
        {
            problem = null;
            if (text == SoftwareText)
            {
                return Software();
            }

            if (text.IndexOf(SoftwareText) == 0)
            {
                problem = "key: software: has nothing behind it";
                return null;
            }

            if (text.IndexOf(ElementScheme) != 0)
            {
                problem = Form;
                return null;
            }

            return ParseElement(text.Substring(ElementScheme.Length), out problem);
        }

        /// <summary>The setting as it is written, for the log.</summary>
        public string Describe()
        {
            return Kind == KeyKinds.Software
                ? SoftwareText
                : ElementScheme + "i2c=" + I2cBus.ToString() + ",addr=0x" + HexDigits[Address / 16].ToString() + HexDigits[Address % 16].ToString() + ",slot=" + Slot.ToString();
        }

        private static KeyUri ParseElement(string text, out string problem)
        {
            int bus = Missing;
            int address = Missing;
            int slot = Missing;
            problem = null;
            string[] parts = text.Split(new char[] { ',' });
            for (int i = 0; i < parts.Length && problem == null; i++)
            {
                int equals = parts[i].IndexOf('=');
                string name = equals > 0 ? parts[i].Substring(0, equals) : "";
                string value = equals > 0 ? parts[i].Substring(equals + 1) : "";
                switch (name)
                {
                    case "i2c":
                        problem = Take(ref bus, name, Decimal(value), BoardPins.I2cBus, BoardPins.I2cBus, BoardPins.I2cBus.ToString() + ", the bus this board has wired");
                        break;
                    case "addr":
                        problem = Take(ref address, name, Hexadecimal(value), AddressMin, AddressMax, "0x08 to 0x77, 7 bits with 0x before (0x60 as shipped)");
                        break;
                    case "slot":
                        problem = Take(ref slot, name, Decimal(value), 0, SlotMax, "a number from 0 to 15");
                        break;
                    default:
                        problem = "key: unknown part '" + parts[i] + "': " + Form;
                        break;
                }
            }

            if (problem == null && (bus == Missing || address == Missing || slot == Missing))
            {
                problem = "key: " + (bus == Missing ? "i2c" : address == Missing ? "addr" : "slot") + " is missing: " + Form;
            }

            return problem == null ? new KeyUri(KeyKinds.SecureElement, bus, address, slot) : null;
        }

        private static string Take(ref int part, string name, int value, int min, int max, string range)
        {
            if (part != Missing)
            {
                return "key: " + name + " is there twice";
            }

            if (value < min || value > max)
            {
                return "key: " + name + " is " + range;
            }

            part = value;
            return null;
        }

        // One or two digits and nothing else: int.TryParse would take signs and blanks.
        private static int Decimal(string value)
        {
            return Number(value, 0, 10);
        }

        private static int Hexadecimal(string value)
        {
            return value.IndexOf("0x") == 0 ? Number(value, 2, 16) : Missing;
        }

        private static int Number(string value, int start, int radix)
        {
            if (value.Length <= start || value.Length > start + 2)
            {
                return Missing;
            }

            int number = 0;
            for (int i = start; i < value.Length; i++)
            {
                int digit = HexDigits.IndexOf(Lower(value[i]));
                if (digit < 0 || digit >= radix)
                {
                    return Missing;
                }

                number = (number * radix) + digit;
            }

            return number;
        }

        private static char Lower(char c)
        {
            return c >= 'A' && c <= 'F' ? (char)(c + 32) : c;
        }
    }
}
