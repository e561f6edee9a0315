using DePIN.Firmware.Board;
using DePIN.Firmware.Sign.Atecc608;
using DePIN.Protocol;

namespace DePIN.Firmware.Sign
{
    /// <summary>
    /// The device's key, from where the setting says and from nowhere else: an absent chip, a damaged store or a wrong setting is no
    /// key and a state that says so. An identity begins once, on settings without a mistake; after that it is that one or none.
    /// </summary>
    public sealed class DeviceKey
    {
        public const string Name = SoftwareKey.Name;
        public const string NewName = SoftwareKey.Name + ".new";

        /// <summary>Signs; null when there is no key.</summary>
        public readonly IDigestSigner Signer;

        /// <summary>X || Y, 64 bytes.</summary>
        public readonly byte[] PublicKey = new byte[DeviceId.PublicKeyBytes];

        /// <summary>20 bytes.</summary>
        public readonly byte[] Id = new byte[DeviceId.Bytes];

        /// <summary>40 lower-case hex digits; empty when there is no key.</summary>
        public readonly string IdText = "";

        /// <summary>Whether this device's identity began at this boot.</summary>
        public readonly bool Made;

        private readonly Atecc608Chip _awaited;

        internal DeviceKey(IDigestSigner signer, bool made)
        {
            Made = made;
            Signer = new SharedSigner(signer);
            Signer.ReadPublicKey(PublicKey, 0);
            DeviceId.FromPublicKey(PublicKey, 0, Id, 0);
            IdText = DeviceId.ToText(Id, 0);
        }

        private DeviceKey(Atecc608Chip awaited)
        {
            _awaited = awaited;
        }

        internal static DeviceKey None
        {
            get { return new DeviceKey(null); }
        }

        /// <summary>The key the settings name, opened or begun.</summary>
        public static DeviceKey Open(NodeSettings settings, IFlash flash, IRandomSource random, NodeStatus status)
        {
            return Open(settings, flash, random, status, new ChipClock());
        }

        /// <summary>The same with the time of a test.</summary>
        public static DeviceKey Open(NodeSettings settings, IFlash flash, IRandomSource random, NodeStatus status, IChipClock clock)
        {
            if (settings.Key == null)
            {
                return None;
            }

            // Settings with a mistake may lack the very line that names the key: no identity begins on them.
            bool mayMake = settings.Problem == null;
            return settings.Key.Kind == KeyKinds.Software
                ? SoftwareKey.Open(flash, random, status, mayMake)
                : ElementKey.Open(settings.Key, flash, status, clock, mayMake, settings.KeyProvision);
        }

        /// <summary>The key in flash.</summary>
        public static DeviceKey Open(IFlash flash, IRandomSource random, NodeStatus status)
        {
            return SoftwareKey.Open(flash, random, status, true);
        }

        /// <summary>For the log: the device id, the kind of key, and whether the identity is new. Never the key.</summary>
        public string Describe()
        {
            return "device=" + IdText + " board=" + BoardPins.BoardName + " key=" + (Signer != null && Signer.KeyKind == KeyKinds.SecureElement ? "secure-element" : "software")
                + " new_key=" + (Made ? "1" : "0");
        }

        /// <summary>In state key-absent: whether it is worth to start again, because the chip answers now.</summary>
        public bool MayBeBack()
        {
            return _awaited == null || _awaited.Answers();
        }

        internal static DeviceKey WaitingFor(Atecc608Chip chip)
        {
            return new DeviceKey(chip);
        }
    }
}
