using System;
using System.Text;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Sign;
using DePIN.Protocol;

namespace DePIN.Firmware.Board
{
    /// <summary>
    /// What an operator decides: lines key=value in node.conf, and over them the lines that came over serial (kept in conf.a/conf.b).
    /// An unknown key or a value out of range is named in <see cref="Problem"/> and nothing runs on a guess.
    /// </summary>
    public sealed class NodeSettings
    {
        public const string FileName = "node.conf";
        public const string SerialName = "conf";
        public const int TextBytesMax = TwoGenerations.ValueBytesMax;
        public const int IntervalMsMin = 100;
        public const int IntervalMsMax = 86400000;
        public const int RingBytesMax = 2097152;
        public const int WindowMax = 32;
        public const int DriveBytesMax = 16777216;
        public const int ShuntMicroohmMin = 100;
        public const int ShuntMicroohmMax = 1000000;
        public const int SleepRoundsMax = 100000;
        public const int PublishFramesMax = 64;

        /// <summary>Below it a sleeping node would spend more on starting than on waiting awake.</summary>
        public const int SleepIntervalMsMin = 30000;
        public const int ImpulsesPerKwhMax = 100000;

        /// <summary>Gateway host name or address; empty: sign and keep, send nothing.</summary>
        public string GatewayHost = "";

        public int GatewayPort = 1883;

        public bool Tls;

        /// <summary>PEM file on flash with the authority that signed the gateway's certificate.</summary>
        public string TlsCaFile = "ca.pem";

        /// <summary>PEM file on flash with this node's certificate for the gateway's TLS; empty: it has none.</summary>
        public string TlsCertFile = "";

        /// <summary>PEM file on flash with that certificate's private key. Not the device key: it signs no reading.</summary>
        public string TlsKeyFile = "";

        /// <summary>Between two rounds of measurements, ms.</summary>
        public int IntervalMs = 10000;

        /// <summary>Rounds of measurements in one frame.</summary>
        public int SamplesPerFrame = 6;

        /// <summary>0: what the sensors that were found suggest.</summary>
        public ushort Profile;

        public int RingBytes = 98304;

        /// <summary>Frames sent and not yet acknowledged, at most.</summary>
        public int Window = 4;

        /// <summary>Empty: do not ask, use the gateway's time.</summary>
        public string SntpServer = "pool.ntp.org";

        /// <summary>Join the Wi-Fi network that is stored in the board's configuration.</summary>
        public bool Wifi = true;

        public bool Battery;

        /// <summary>The resistor that an INA226 measures at, micro-ohms.</summary>
        public int ShuntMicroohm = 100000;

        /// <summary>Serial port of a Plantower PMS5003; empty: there is none. A UART cannot be probed like an I2C address.</summary>
        public string Pms5003Port = "";

        /// <summary>Rounds the PMS5003 sleeps between two measurements; 0: its fan and laser always run.</summary>
        public int Pms5003SleepRounds;

        /// <summary>Serial port of a PZEM-004T v3; empty: there is none.</summary>
        public string Pzem004tPort = "";

        /// <summary>Serial port of a GNSS receiver; empty: there is none.</summary>
        public string GnssPort = "";

        /// <summary>9600 for most; u-blox 9 and 10 come with 38400.</summary>
        public int GnssBaud = 9600;

        /// <summary>Pin of a meter's S0 output; -1: there is none.</summary>
        public int S0Pin = -1;

        /// <summary>What the meter's plate says, imp/kWh.</summary>
        public int S0ImpulsesPerKwh = 1000;

        /// <summary>Measure the Wi-Fi networks in reach.</summary>
        public bool WifiSurvey;

        /// <summary>Where the device's key lives; null when the setting is wrong: then there is no key, not another one.</summary>
        public KeyUri Key = KeyUri.Software();

        /// <summary>Whether a blank secure element may be configured and locked for ever.</summary>
        public bool KeyProvision;

        /// <summary>Between two frames about the node itself, seconds; 0: none.</summary>
        public int HealthSeconds = 3600;

        /// <summary>X || Y, 64 bytes, of who may command a locked board and update it over the air; null: nobody.</summary>
        public byte[] OperatorKey;

        /// <summary>PEM of the authority that signed the gateway's certificate, from the enrolment; null: <see cref="TlsCaFile"/> has it.</summary>
        public byte[] Authority;

        /// <summary>Name at the gateway's MQTT server, from the enrolment; null: none is given.</summary>
        public string GatewayUser;

        /// <summary>Its password. A string, because nanoFramework's MQTT client takes no other; never printed.</summary>
        public string GatewayPassword;

        /// <summary>Deep sleep between the rounds of measurements.</summary>
        public bool DeepSleep;

        /// <summary>A node that sleeps connects when it owes so many frames.</summary>
        public int PublishFrames = 1;

        /// <summary>Size of the flash drive, when the module has another flash chip than the board's description says.</summary>
        public int DriveBytes = BoardPins.DriveBytes;

        /// <summary>How long a new release is healthy before it stays, seconds.</summary>
        public int UpdateHealthySeconds = 600;

        /// <summary>What is wrong, naming the key; null when nothing is.</summary>
        public string Problem;

        /// <summary>Reads node.conf, over it the enrolment, and over that what was configured over serial since.</summary>
        public static NodeSettings Open(IFlash flash)
        {
            EnrolmentStore enrolment = new EnrolmentStore(flash);
            NodeSettings settings = OpenEnrolled(flash, enrolment);
            TwoGenerations serial = new TwoGenerations(flash, SerialName);
            PairState state = serial.Open();
            if (state == PairState.Damaged)
            {
                settings.Note("the settings that came over serial are unreadable: configure again");
            }
            else
            {
                byte[] newer = enrolment.Newer(serial);
                if (newer != null)
                {
                    settings.Apply(newer, 0, newer.Length);
                }
            }

            return settings;
        }

        /// <summary>Reads node.conf and, over it, the enrolment.</summary>
        public static NodeSettings OpenEnrolled(IFlash flash, EnrolmentStore enrolment)
        {
            NodeSettings settings = OpenFile(flash);
            if (enrolment.Open() == PairState.Damaged)
            {
                settings.Note("the enrolment is unreadable: enrol again");
            }

            byte[] lines = enrolment.Find(EnrolmentTags.Settings);
            if (lines != null)
            {
                settings.Apply(lines, 0, lines.Length);
            }

            settings.Authority = enrolment.Find(EnrolmentTags.Authority);
            settings.GatewayUser = TextOf(enrolment.Find(EnrolmentTags.User));
            settings.GatewayPassword = TextOf(enrolment.Find(EnrolmentTags.Password));
            return settings;
        }

        /// <summary>Reads node.conf alone; all defaults when there is none.</summary>
        public static NodeSettings OpenFile(IFlash flash)
        {
            NodeSettings settings = new NodeSettings();
            int length = flash.Length(FileName);
            if (length > TextBytesMax)
            {
                settings.Problem = FileName + " has more than " + TextBytesMax.ToString() + " bytes";
            }
            else if (length > 0)
            {
                byte[] text = new byte[length];
                int count = flash.Read(FileName, 0, text, 0, length);
                settings.Apply(text, 0, count);
            }

            return settings;
        }

        /// <summary>Old lines and new ones, of which the new win: old lines with a key that is new again are left out.</summary>
        public static byte[] Merge(byte[] older, byte[] newer)
        {
            string added = Encoding.UTF8.GetString(newer, 0, newer.Length);
            StringBuilder merged = new StringBuilder();
            if (older != null)
            {
                string probe = "\n" + added;
                string[] lines = Encoding.UTF8.GetString(older, 0, older.Length).Split(new char[] { '\n' });
                for (int i = 0; i < lines.Length; i++)
                {
                    int equals = lines[i].IndexOf('=');
                    if (equals > 0 && probe.IndexOf("\n" + lines[i].Substring(0, equals + 1)) < 0)
                    {
                        merged.Append(lines[i]);
                        merged.Append("\n");
                    }
                }
            }

            merged.Append(added);
            return Encoding.UTF8.GetBytes(merged.ToString());
        }

        /// <summary>The profile that was set, or the suggested one for auto.</summary>
        public ushort ProfileOr(ushort suggested)
        {
            return Profile != 0 ? Profile : suggested;
        }

        /// <summary>Takes over lines "key=value"; blank lines and those that begin with # are passed over.</summary>
        public void Apply(byte[] text, int offset, int count)
        {
            for (int i = offset; i < offset + count; i++)
            {
                if (text[i] > 126 || (text[i] < 32 && text[i] != 10 && text[i] != 13 && text[i] != 9))
                {
                    Note("settings are plain ASCII lines key=value");
                    return;
                }
            }

            string[] lines = Encoding.UTF8.GetString(text, offset, count).Split(new char[] { '\n' });
            for (int i = 0; i < lines.Length; i++)
            {
                string line = lines[i].Trim();
                if (line.Length == 0 || line[0] == '#')
                {
                    continue;
                }

                int equals = line.IndexOf('=');
                if (equals <= 0)
                {
                    Note("line without key=value: " + line);
                    continue;
                }

                Set(line.Substring(0, equals).Trim(), line.Substring(equals + 1).Trim());
            }

            // What only the lines together can be wrong in.
            CheckPorts("sensor-pms5003", Pms5003Port, "sensor-pzem004t", Pzem004tPort);
            CheckPorts("sensor-pms5003", Pms5003Port, "sensor-gnss", GnssPort);
            CheckPorts("sensor-pzem004t", Pzem004tPort, "sensor-gnss", GnssPort);
            if (WifiSurvey && !Wifi)
            {
                Note("sensor-wifi needs wifi=on");
            }

            if (TlsCertFile.Length > 0 != TlsKeyFile.Length > 0 || (TlsCertFile.Length > 0 && !Tls))
            {
                Note("tls-cert and tls-key go together, and need tls=on");
            }

            if (DeepSleep && IntervalMs < SleepIntervalMsMin)
            {
                Note("sleep=deep needs interval-ms of at least " + SleepIntervalMsMin.ToString() + ": a start of the chip costs more than it saves");
            }

            if (DeepSleep && S0Pin >= 0)
            {
                Note("sensor-s0 counts impulses and cannot while the chip sleeps: sleep=off");
            }
        }

        private void Set(string key, string value)
        {
            switch (key)
            {
                case "gateway-host": GatewayHost = Text(key, value, 128); break;
                case "gateway-port": GatewayPort = Number(key, value, 1, 65535); break;
                case "tls": Tls = Switch(key, value); break;
                case "tls-ca": TlsCaFile = Text(key, value, 31); break;
                case "tls-cert": TlsCertFile = Text(key, value, 31); break;
                case "tls-key": TlsKeyFile = Text(key, value, 31); break;
                case "interval-ms": IntervalMs = Number(key, value, IntervalMsMin, IntervalMsMax); break;
                case "samples-per-frame": SamplesPerFrame = Number(key, value, 1, FrameFormat.SamplesMax); break;
                case "profile": Profile = ProfileOf(key, value); break;
                case "ring-bytes": RingBytes = Number(key, value, FrameRing.CapacityBytesMin, RingBytesMax); break;
                case "window": Window = Number(key, value, 1, WindowMax); break;
                case "sntp-server": SntpServer = Text(key, value, 128); break;
                case "wifi": Wifi = Switch(key, value); break;
                case "battery": Battery = Fitted(key, value); break;
                case "shunt-microohm": ShuntMicroohm = Number(key, value, ShuntMicroohmMin, ShuntMicroohmMax); break;
                case "sensor-pms5003": Pms5003Port = Port(key, value); break;
                case "pms5003-sleep-rounds": Pms5003SleepRounds = Number(key, value, 0, SleepRoundsMax); break;
                case "sensor-pzem004t": Pzem004tPort = Port(key, value); break;
                case "sensor-gnss": GnssPort = Port(key, value); break;
                case "gnss-baud": GnssBaud = Number(key, value, 4800, 115200); break;
                case "sensor-s0": S0Pin = PulsePin(key, value); break;
                case "s0-impulses-per-kwh": S0ImpulsesPerKwh = Number(key, value, 1, ImpulsesPerKwhMax); break;
                case "sensor-wifi": WifiSurvey = Switch(key, value); break;
                case "key": Key = KeyOf(value); break;
                case "key-provision": KeyProvision = ProvisionOf(key, value); break;
                case "operator-key": OperatorKey = OperatorKeyOf(key, value); break;
                case "sleep": DeepSleep = SleepOf(key, value); break;
                case "publish-frames": PublishFrames = Number(key, value, 1, PublishFramesMax); break;
                case "health-s": HealthSeconds = Number(key, value, 0, 86400); break;
                case "drive-bytes": DriveBytes = Number(key, value, 65536, DriveBytesMax); break;
                case "update-healthy-s": UpdateHealthySeconds = Number(key, value, 1, 86400); break;
                default: Note("unknown key " + key); break;
            }
        }

        private string Text(string key, string value, int charactersMax)
        {
            if (value.Length > charactersMax || value.IndexOf(' ') >= 0)
            {
                Note(key + " has at most " + charactersMax.ToString() + " characters and no blanks");
                return "";
            }

            return value;
        }

        private int Number(string key, string value, int min, int max)
        {
            int number;
            if (!int.TryParse(value, out number) || number < min || number > max)
            {
                Note(key + " is a number from " + min.ToString() + " to " + max.ToString());
                return min;
            }

            return number;
        }

        private bool SleepOf(string key, string value)
        {
            if (value != "off" && value != "deep")
            {
                Note(key + " is off or deep");
            }

            return value == "deep";
        }

        private bool Switch(string key, string value)
        {
            if (value != "on" && value != "off")
            {
                Note(key + " is on or off");
            }

            return value == "on";
        }

        private bool Fitted(string key, string value)
        {
            bool fitted = Switch(key, value);
            if (fitted && !BoardPins.HasBattery)
            {
                Note(key + " is off on " + BoardPins.BoardName + ": it has no pin for a divider");
            }

            return fitted;
        }

        private string Port(string key, string value)
        {
            if (value == "off")
            {
                return "";
            }

            if (value != BoardPins.SensorPort)
            {
                string owner = value == "COM1" ? "COM1 is the runtime's debug port"
                    : value == BoardPins.ProvisionPort ? value + " is the provisioning port" : null;
                Note(owner != null ? key + ": " + owner
                    : BoardPins.SensorPort.Length == 0 ? key + " is off on " + BoardPins.BoardName + ": it has no serial port left"
                    : key + " is off or " + BoardPins.SensorPort);
                return "";
            }

            return value;
        }

        private int PulsePin(string key, string value)
        {
            if (value == "off")
            {
                return -1;
            }

            int pin = -1;
            if (value.Length < 5 || value.Substring(0, 4) != "GPIO" || !int.TryParse(value.Substring(4), out pin)
                || pin < BoardPins.PulsePinMin || pin > BoardPins.PulsePinMax)
            {
                Note(BoardPins.PulsePinMax < 0 ? key + " is off on " + BoardPins.BoardName + ": it has no pin for it"
                    : key + " is off or a pin from GPIO" + BoardPins.PulsePinMin.ToString() + " to GPIO" + BoardPins.PulsePinMax.ToString());
                return -1;
            }

            return pin;
        }

        private void CheckPorts(string keyA, string portA, string keyB, string portB)
        {
            if (portA.Length > 0 && portA == portB)
            {
                Note(portA + " is given to two sensors: " + keyA + " and " + keyB);
            }
        }

        // X || Y as 128 hex digits; none takes it back.
        private byte[] OperatorKeyOf(string key, string value)
        {
            if (value == "none")
            {
                return null;
            }

            byte[] bytes = new byte[DeviceId.PublicKeyBytes];
            if (value.Length != 2 * bytes.Length)
            {
                Note(key + " is 128 hex digits (X and Y of a P-256 public key), or none");
                return null;
            }

            for (int i = 0; i < value.Length; i++)
            {
                int digit = "0123456789abcdef".IndexOf(value.Substring(i, 1).ToLower());
                if (digit < 0)
                {
                    Note(key + " is 128 hex digits (X and Y of a P-256 public key), or none");
                    return null;
                }

                bytes[i >> 1] = (byte)((bytes[i >> 1] << 4) | digit);
            }

            if (!new P256Verifier().IsPublicKey(bytes, 0))
            {
                Note(key + " is no point of P-256");
                return null;
            }

            return bytes;
        }

        private static string TextOf(byte[] utf8)
        {
            return utf8 == null ? null : Encoding.UTF8.GetString(utf8, 0, utf8.Length);
        }

        private KeyUri KeyOf(string value)
        {
            string problem;
            KeyUri uri = KeyUri.Parse(value, out problem);
            if (problem != null)
            {
                Note(problem);
            }

            return uri;
        }

        private bool ProvisionOf(string key, string value)
        {
            if (value != "off" && value != "lock-for-ever")
            {
                Note(key + " is off or lock-for-ever");
            }

            return value == "lock-for-ever";
        }

        private ushort ProfileOf(string key, string value)
        {
            if (value == "auto")
            {
                return 0;
            }

            for (ushort profile = 1; Profiles.Name(profile) != null; profile++)
            {
                if (Profiles.Name(profile) == value)
                {
                    return profile;
                }
            }

            ushort number;
            if (!ushort.TryParse(value, out number) || number == 0)
            {
                Note(key + " is auto, a profile's name, or its number");
                return 0;
            }

            return number;
        }

        private void Note(string problem)
        {
            if (Problem == null)
            {
                Problem = problem;
            }
        }
    }
}
