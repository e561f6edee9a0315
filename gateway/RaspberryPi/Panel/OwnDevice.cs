using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;
using DePIN.Protocol;

namespace DePIN.Gateway.RaspberryPi.Panel;

/// <summary>
/// The Pi as a device of its own: a P-256 key made once, and a chain of signed frames. A frame and its place in the chain are on disk (fsync,
/// rename) before the frame is sent, so a sequence is never used twice; the frame that was not acknowledged is sent again after a restart.
/// Key lost, damaged or foreign: it refuses and makes no new one.
/// </summary>
public sealed class OwnDevice
{
    /// <summary>64 hex digits, mode 0600.</summary>
    public const string KeyFileName = "device.key";

    /// <summary>0 magic "PF" | 2 version 1 | 3 acknowledged 0, 1 | 4 boots u32 | 8 device id 20 | 28 sequence u64 | 36 digest 32 | 68 frame.</summary>
    public const string ChainFileName = "device.chain";

    private const int HeaderBytes = 68;

    private readonly string _chainFile;
    private readonly P256Signer _signer;
    private readonly FrameBuilder _builder;
    private readonly TimeProvider _time;
    private readonly byte[] _publicKey = new byte[DeviceId.PublicKeyBytes];
    private readonly byte[] _id = new byte[DeviceId.Bytes];
    private readonly byte[] _digest = new byte[32];
    private readonly uint _boots;
    private ulong _sequence;
    private byte[] _pending = [];

    private OwnDevice(string folder, byte[] key, TimeProvider time)
    {
        (_chainFile, _time) = (Path.Combine(folder, ChainFileName), time);
        _signer = new P256Signer(key);
        _signer.ReadPublicKey(_publicKey, 0);
        DeviceId.FromPublicKey(_publicKey, 0, _id, 0);
        _builder = new FrameBuilder(_id);
        if (File.Exists(_chainFile))
        {
            byte[] state = SecretFile.Read(_chainFile);
            if (state.Length < HeaderBytes || state[0] != 'P' || state[1] != 'F' || state[2] != 1) throw new SettingsException($"{_chainFile} is damaged. Restore it: without it the next frame's number is unknown; or register a new device with an empty folder.");
            if (!state.AsSpan(8, 20).SequenceEqual(_id)) throw new SettingsException($"{_chainFile} is of another device than {Path.Combine(folder, KeyFileName)}. Restore the pair that belongs together.");
            _boots = BinaryPrimitives.ReadUInt32BigEndian(state.AsSpan(4));
            _sequence = BinaryPrimitives.ReadUInt64BigEndian(state.AsSpan(28));
            state.AsSpan(36, 32).CopyTo(_digest);
            if (state[3] == 0) _pending = state[HeaderBytes..];
        }

        _boots++;
        Save();
    }

    /// <summary>40 hex digits.</summary>
    public string Id => DeviceId.ToText(_id, 0);

    /// <summary>X ‖ Y.</summary>
    public ReadOnlySpan<byte> PublicKey => _publicKey;

    /// <summary>The frame to send, or to send again; empty when the last one was acknowledged.</summary>
    public ReadOnlyMemory<byte> Pending => _pending;

    /// <summary>The last frame's number; 0 none.</summary>
    public ulong Sequence => _sequence;

    /// <summary>Opens the device of a folder; makes key and chain where there is neither.</summary>
    /// <exception cref="SettingsException">One is missing or damaged, or others can read the key.</exception>
    public static OwnDevice Open(string folder, TimeProvider time)
    {
        string file = Path.Combine(folder, KeyFileName);
        DataFolder.Prepare(folder);
        if (!File.Exists(file))
        {
            if (File.Exists(Path.Combine(folder, ChainFileName))) throw new SettingsException($"{file} is missing, but {ChainFileName} is there. Restore the key from your backup (chmod 600), or register a new device with an empty folder.");
            byte[] made = P256Signer.CreatePrivateKey(new SystemRandom());
            SecretFile.Write(file, Encoding.ASCII.GetBytes(Convert.ToHexStringLower(made) + "\n"));
            CryptographicOperations.ZeroMemory(made);
        }

        byte[] text = SecretFile.Read(file), key = new byte[P256Signer.PrivateKeyBytes];
        try
        {
            if (Convert.FromHexString(text.AsSpan().Trim(" \t\r\n"u8), key, out _, out int written) != System.Buffers.OperationStatus.Done || written != key.Length)
                throw new SettingsException($"{file} holds no key (64 hex digits). Restore it from your backup.");
            return new OwnDevice(folder, key, time);
        }
        catch (ArgumentException)
        {
            throw new SettingsException($"{file} holds no key of P-256. Restore it from your backup.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
            CryptographicOperations.ZeroMemory(key);
        }
    }

    /// <summary>Signs a reading as the next frame. On disk when this returns; then <see cref="Pending"/> is to be sent.</summary>
    /// <exception cref="InvalidOperationException">The last frame waits for its acknowledgement.</exception>
    public void Add(Air air)
    {
        if (_pending.Length > 0) throw new InvalidOperationException("a frame waits for its acknowledgement");
        ulong next = _sequence + 1;
        _builder.Begin(Profiles.Environment, true, _boots, next, (ulong)_time.GetUtcNow().ToUnixTimeMilliseconds(), next == 1 ? null : [.. _digest]);
        _builder.TryAdd(Channels.Temperature, -2, 0, 0, air.CentiDegrees);
        _builder.TryAdd(Channels.RelativeHumidity, -1, 0, 0, air.PermilleHumidity);
        _builder.TryAdd(Channels.Pressure, 0, 0, 0, air.Pascals);
        _builder.Sign(_signer);
        (_sequence, _pending) = (next, _builder.Buffer[.._builder.Count]);
        _builder.CopyDigest(_digest, 0);
        Save();
    }

    /// <summary>The gateway has the frame.</summary>
    public void Acknowledged()
    {
        _pending = [];
        Save();
    }

    /// <summary>The claim that 'depin provision register' takes, one line of JSON: this device for that owner, on that chain.</summary>
    public string Claim(ulong chainId, string registry, string owner)
    {
        byte[] chain = new byte[ClaimMessage.ChainIdBytes], message = new byte[ClaimMessage.Bytes], signature = new byte[FrameFormat.SignatureBytes];
        BinaryPrimitives.WriteUInt64BigEndian(chain.AsSpan(ClaimMessage.ChainIdBytes - 8), chainId);
        ClaimMessage.Write(KeyKinds.Software, chain, AddressBytes(registry), AddressBytes(owner), message, 0);
        _signer.Sign(message, 0, message.Length, signature, 0);
        return string.Create(CultureInfo.InvariantCulture, $$"""{"chainId":{{chainId}},"registry":"{{registry}}","owner":"{{owner}}","device":"{{Id}}","keyKind":{{KeyKinds.Software}},"publicKey":"{{Convert.ToHexStringLower(_publicKey)}}","signature":"{{Convert.ToHexStringLower(signature)}}"}""");
    }

    private static byte[] AddressBytes(string text) => text.StartsWith("0x", StringComparison.Ordinal) && text.Length == 42 && text.AsSpan(2).IndexOfAnyExcept("0123456789abcdefABCDEF") < 0
        ? Convert.FromHexString(text.AsSpan(2)) : throw new SettingsException($"'{text}' is no address. Give 0x and 40 hex digits.");

    private void Save()
    {
        byte[] state = new byte[HeaderBytes + _pending.Length];
        (state[0], state[1], state[2], state[3]) = ((byte)'P', (byte)'F', 1, _pending.Length == 0 ? (byte)1 : (byte)0);
        BinaryPrimitives.WriteUInt32BigEndian(state.AsSpan(4), _boots);
        _id.CopyTo(state, 8);
        BinaryPrimitives.WriteUInt64BigEndian(state.AsSpan(28), _sequence);
        _digest.CopyTo(state, 36);
        _pending.CopyTo(state, HeaderBytes);
        SecretFile.Write(_chainFile, state);
    }

    private sealed class SystemRandom : IRandomSource
    {
        public void Fill(byte[] buffer, int offset, int count) => RandomNumberGenerator.Fill(buffer.AsSpan(offset, count));
    }
}
