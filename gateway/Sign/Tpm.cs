using System.Buffers.Binary;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace DePIN.Gateway.Sign;

/// <summary>The TPM refused a command: TPM 2.0 Library, part 2, section 6.6.</summary>
internal sealed class TpmException(string command, uint code) : Exception($"{command} answered 0x{code:x}")
{
    /// <summary>The error without the parameter or session it is about.</summary>
    public uint Error => (code & 0x80) != 0 ? code & 0xBF : code;

    /// <summary>TPM_RC_BAD_AUTH, TPM_RC_AUTH_FAIL: the hierarchy has a password.</summary>
    public bool IsAuthorization => Error is 0xA2 or 0x8E;

    /// <summary>TPM_RC_INTEGRITY, SIZE, VALUE and others about the object that was given.</summary>
    public bool IsObject => (code & 0x80) != 0;

    /// <summary>TPM_RC_INITIALIZE: nobody sent TPM2_Startup.</summary>
    public bool IsNotStarted => code == 0x100;
}

/// <summary>
/// Seals a secret to a TPM 2.0 and unseals it: the few commands for that, in the wire format of the TPM 2.0 Library specification (parts 1 and
/// 3, revision 1.59). The secret crosses the bus encrypted: each use has a fresh HMAC session, salted by ECDH with the primary key, with
/// AES-128-CFB parameter encryption (part 1, sections 19 and 21), and every answer's HMAC is checked. One thread; objects are flushed at the end.
/// </summary>
internal sealed class Tpm : IDisposable
{
    /// <summary>TPM2B name: algorithm and SHA-256 of the public area.</summary>
    public const int NameBytes = 34;

    private const int ResponseBytesMax = 4096;
    private static readonly TimeSpan AnswerMax = TimeSpan.FromSeconds(60);

    private const ushort NoSessions = 0x8001, Sessions = 0x8002;
    private const uint Owner = 0x40000001, NullHandle = 0x40000007, PasswordSession = 0x40000009;
    private const uint CreatePrimary = 0x131, Create = 0x153, Load = 0x157, Unseal = 0x15E, FlushContext = 0x165, StartAuthSession = 0x176;
    private const ushort Sha256 = 0x000B, Aes128 = 128, Cfb = 0x0043, Null = 0x0010, Aes = 0x0006, Ecc = 0x0023, KeyedHash = 0x0008, NistP256 = 0x0003;
    private const byte Continue = 0x01, DecryptParameter = 0x20, EncryptParameter = 0x40;

    // A storage key as TCG's template of it: fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, restricted, decrypt.
    private const uint StorageAttributes = 0x00030472;

    // fixedTPM, fixedParent, userWithAuth, noDA: no password, so no guessing that could lock the TPM.
    private const uint SealedAttributes = 0x00000452;

    private readonly Stream _stream;
    private readonly uint _primary;
    private readonly byte[] _primaryX;
    private readonly byte[] _primaryY;

    private Tpm(Stream stream)
    {
        _stream = stream;
        Output template = new();
        template.Word(Ecc).Word(Sha256).Long(StorageAttributes).Sized([]).Word(Aes).Word(Aes128).Word(Cfb).Word(Null).Word(NistP256).Word(Null).Sized([]).Sized([]);
        Output parameters = new();
        parameters.Sized([0, 0, 0, 0]).Sized(template.ToArray()).Sized([]).Long(0);
        Output command = new();
        command.Long(Owner).Long(9).Long(PasswordSession).Sized([]).Byte(Continue).Sized([]).Raw(parameters.ToArray());
        Input answer = Send("TPM2_CreatePrimary", Sessions, CreatePrimary, command.ToArray());
        _primary = answer.Long();
        answer.Long(); // size of the parameters
        byte[] area = answer.Sized();
        Input fields = new(area);
        fields.Skip(2 + 2 + 4);
        fields.Sized();
        fields.Skip(6 * 2);
        (_primaryX, _primaryY) = (fields.Sized(), fields.Sized());
        PrimaryName = NameOf(area);
    }

    /// <summary>Which primary key: the same TPM with the same owner seed has the same name. A clear changes it.</summary>
    public byte[] PrimaryName { get; }

    /// <summary>Opens the TPM; one of the two is given.</summary>
    /// <exception cref="IOException">It is not there.</exception>
    public static Tpm Open(string? device, string? socket)
    {
        Stream stream;
        if (socket is null) stream = new FileStream(device!, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        else
        {
            Socket line = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = (int)AnswerMax.TotalMilliseconds, SendTimeout = (int)AnswerMax.TotalMilliseconds };
            try
            {
                line.Connect(new UnixDomainSocketEndPoint(socket));
            }
            catch (SocketException fault)
            {
                line.Dispose();
                throw new IOException(fault.Message, fault);
            }

            stream = new NetworkStream(line, ownsSocket: true);
        }

        try
        {
            return new Tpm(stream);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Seals up to 128 bytes: TPM2B_PUBLIC and TPM2B_PRIVATE without their sizes.</summary>
    public (byte[] PublicArea, byte[] PrivateArea) SealSecret(ReadOnlySpan<byte> secret)
    {
        using Session session = new(this);
        Output area = new();
        area.Word(KeyedHash).Word(Sha256).Long(SealedAttributes).Sized([]).Word(Null).Sized([]);
        Output sensitive = new();
        sensitive.Sized([]).Sized(secret);
        byte[] first = sensitive.ToArray();
        Output rest = new();
        rest.Sized(area.ToArray()).Sized([]).Long(0);
        Input answer = session.Run("TPM2_Create", Create, _primary, PrimaryName, first, rest.ToArray(), DecryptParameter);
        CryptographicOperations.ZeroMemory(first);
        byte[] privateArea = answer.Sized();
        return (answer.Sized(), privateArea);
    }

    /// <summary>The secret; the caller zeroes it.</summary>
    public byte[] UnsealSecret(ReadOnlySpan<byte> publicArea, ReadOnlySpan<byte> privateArea)
    {
        using Session session = new(this);
        Output rest = new();
        rest.Sized(publicArea);
        uint item = session.RunLoad(privateArea, rest.ToArray());
        try
        {
            return session.Run("TPM2_Unseal", Unseal, item, NameOf(publicArea), null, [], EncryptParameter).Sized();
        }
        finally
        {
            Flush(item);
        }
    }

    public void Dispose()
    {
        try
        {
            Flush(_primary);
        }
        finally
        {
            _stream.Dispose();
        }
    }

    private void Flush(uint handle)
    {
        Output command = new();
        Send("TPM2_FlushContext", NoSessions, FlushContext, command.Long(handle).ToArray());
    }

    private static byte[] NameOf(ReadOnlySpan<byte> area) => [Sha256 >> 8, Sha256 & 0xFF, .. SHA256.HashData(area)];

    /// <summary>Sends a command; the answer behind its header.</summary>
    private Input Send(string name, ushort tag, uint code, ReadOnlySpan<byte> body)
    {
        Output command = new();
        _stream.Write(command.Word(tag).Long((uint)(10 + body.Length)).Long(code).Raw(body).ToArray());
        byte[] answer = new byte[ResponseBytesMax];
        int count = 0, size = 10;
        do
        {
            int read = _stream.Read(answer, count, answer.Length - count); // the kernel gives an answer whole
            if (read == 0) throw new IOException("the TPM closed the line");
            count += read;
            if (count >= 10) size = (int)Math.Min(BinaryPrimitives.ReadUInt32BigEndian(answer.AsSpan(2)), int.MaxValue);
            if (size is < 10 or > ResponseBytesMax) throw new IOException("the TPM's answer has no sensible length");
        }
        while (count < size);

        uint result = BinaryPrimitives.ReadUInt32BigEndian(answer.AsSpan(6));
        return result == 0 ? new Input(answer[10..size]) : throw new TpmException(name, result);
    }

    /// <summary>KDFa, part 1 section 11.4.10.2: counter mode of HMAC-SHA256.</summary>
    private static byte[] KeyFrom(ReadOnlySpan<byte> key, ReadOnlySpan<byte> label, ReadOnlySpan<byte> u, ReadOnlySpan<byte> v)
    {
        Output input = new();
        return HMACSHA256.HashData(key, input.Long(1).Raw(label).Byte(0).Raw(u).Raw(v).Long(256).ToArray());
    }

    /// <summary>An HMAC session, salted with a secret that only the holder of the primary key can compute.</summary>
    private sealed class Session : IDisposable
    {
        private readonly Tpm _tpm;
        private readonly uint _handle;
        private readonly byte[] _key;
        private byte[] _nonceTpm;

        public Session(Tpm tpm)
        {
            _tpm = tpm;
            byte[] nonce = RandomNumberGenerator.GetBytes(32), x, y, shared;
            using (ECDiffieHellman theirs = ECDiffieHellman.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = Padded(tpm._primaryX), Y = Padded(tpm._primaryY) } }))
            {
                do
                {
                    using ECDiffieHellman mine = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
                    ECPoint point = mine.ExportParameters(false).Q;
                    (x, y, shared) = (point.X!, point.Y!, mine.DeriveRawSecretAgreement(theirs.PublicKey));
                }
                while (x[0] == 0 || shared[0] == 0); // TPMs differ in whether they keep a leading zero in what is hashed
            }

            Output salting = new();
            byte[] salt = SHA256.HashData(salting.Long(1).Raw(shared).Raw("SECRET\0"u8).Raw(x).Raw(tpm._primaryX).ToArray()); // KDFe, section 11.4.10.3
            Output point2 = new();
            Output command = new();
            command.Long(tpm._primary).Long(NullHandle).Sized(nonce).Sized(point2.Sized(x).Sized(y).ToArray()).Byte(0).Word(Aes).Word(Aes128).Word(Cfb).Word(Sha256);
            Input answer = tpm.Send("TPM2_StartAuthSession", NoSessions, StartAuthSession, command.ToArray());
            _handle = answer.Long();
            _nonceTpm = answer.Sized();
            _key = KeyFrom(salt, "ATH"u8, _nonceTpm, nonce);
            CryptographicOperations.ZeroMemory(shared);
            CryptographicOperations.ZeroMemory(salt);
        }

        /// <summary>TPM2_Load below the primary key: the handle.</summary>
        public uint RunLoad(ReadOnlySpan<byte> privateArea, byte[] rest) => Run("TPM2_Load", Load, _tpm._primary, _tpm.PrimaryName, privateArea.ToArray(), rest, 0, handles: true).Long();

        /// <summary>One command with one handle, authorised by this session.</summary>
        /// <param name="name">For messages.</param>
        /// <param name="code">TPM_CC.</param>
        /// <param name="handle">What it acts on.</param>
        /// <param name="handleName">Its name, which the HMAC covers.</param>
        /// <param name="first">The first parameter, a TPM2B, without its size; encrypted where the attribute says so. Null: there is none.</param>
        /// <param name="rest">The other parameters.</param>
        /// <param name="attributes">DecryptParameter, EncryptParameter or none.</param>
        /// <param name="handles">The answer begins with a handle, which is then all that is returned.</param>
        public Input Run(string name, uint code, uint handle, byte[] handleName, byte[]? first, byte[] rest, byte attributes, bool handles = false)
        {
            byte flags = (byte)(Continue | attributes);
            byte[] nonce = RandomNumberGenerator.GetBytes(32);
            Output parameters = new();
            if (first is not null) parameters.Sized((attributes & DecryptParameter) != 0 ? Crypt(first, nonce, _nonceTpm, encrypt: true) : first);
            byte[] all = parameters.Raw(rest).ToArray();
            Output covered = new();
            byte[] hash = SHA256.HashData(covered.Long(code).Raw(handleName).Raw(all).ToArray());
            Output body = new();
            body.Long(handle).Long(4 + 2 + 32 + 1 + 2 + 32).Long(_handle).Sized(nonce).Byte(flags).Sized(Authentication(hash, nonce, _nonceTpm, flags)).Raw(all);
            Input answer = _tpm.Send(name, Sessions, code, body.ToArray());
            uint made = handles ? answer.Long() : 0;
            byte[] results = answer.Take((int)answer.Long());
            byte[] nonceTpm = answer.Sized();
            byte flagsBack = answer.Byte();
            Output told = new();
            byte[] resultHash = SHA256.HashData(told.Long(0).Long(code).Raw(results).ToArray());
            if (!CryptographicOperations.FixedTimeEquals(answer.Sized(), Authentication(resultHash, nonceTpm, nonce, flagsBack)))
                throw new IOException($"the answer to {name} is not of the TPM: something stands between");
            _nonceTpm = nonceTpm;
            if (handles) return new Input(new Output().Long(made).ToArray());
            if ((attributes & EncryptParameter) == 0) return new Input(results);
            Output opened = new();
            return new Input(opened.Sized(Crypt(new Input(results).Sized(), nonceTpm, nonce, encrypt: false)).ToArray());
        }

        public void Dispose()
        {
            CryptographicOperations.ZeroMemory(_key);
            _tpm.Flush(_handle);
        }

        private byte[] Authentication(byte[] hash, byte[] newer, byte[] older, byte flags)
        {
            Output input = new();
            return HMACSHA256.HashData(_key, input.Raw(hash).Raw(newer).Raw(older).Byte(flags).ToArray());
        }

        /// <summary>AES-128-CFB of a parameter, section 21.3; padded here, because .NET wants whole blocks.</summary>
        private byte[] Crypt(byte[] parameter, byte[] newer, byte[] older, bool encrypt)
        {
            byte[] keys = KeyFrom(_key, "CFB"u8, newer, older), padded = new byte[(parameter.Length + 15) / 16 * 16];
            parameter.CopyTo(padded, 0);
            using System.Security.Cryptography.Aes aes = System.Security.Cryptography.Aes.Create();
            aes.Key = keys[..16];
            byte[] result = encrypt ? aes.EncryptCfb(padded, keys.AsSpan(16, 16), PaddingMode.None, 128) : aes.DecryptCfb(padded, keys.AsSpan(16, 16), PaddingMode.None, 128);
            CryptographicOperations.ZeroMemory(keys);
            CryptographicOperations.ZeroMemory(padded);
            byte[] cut = result[..parameter.Length];
            CryptographicOperations.ZeroMemory(result);
            return cut;
        }

        private static byte[] Padded(byte[] coordinate) => [.. new byte[32 - coordinate.Length], .. coordinate];
    }

    /// <summary>Big-endian fields; a sized one is a TPM2B.</summary>
    private sealed class Output
    {
        private readonly MemoryStream _bytes = new();

        public Output Byte(byte value)
        {
            _bytes.WriteByte(value);
            return this;
        }

        public Output Word(ushort value) => Byte((byte)(value >> 8)).Byte((byte)value);

        public Output Long(uint value) => Word((ushort)(value >> 16)).Word((ushort)value);

        public Output Raw(ReadOnlySpan<byte> value)
        {
            _bytes.Write(value);
            return this;
        }

        public Output Sized(ReadOnlySpan<byte> value) => Word(checked((ushort)value.Length)).Raw(value);

        public byte[] ToArray() => _bytes.ToArray();
    }

    /// <summary>Reads an answer; one that ends early is no answer.</summary>
    private sealed class Input(byte[] bytes)
    {
        private int _at;

        public byte Byte() => Take(1)[0];

        public uint Long() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

        public byte[] Sized() => Take(BinaryPrimitives.ReadUInt16BigEndian(Take(2)));

        public void Skip(int count) => Take(count);

        public byte[] Take(int count)
        {
            if (count < 0 || count > bytes.Length - _at) throw new IOException("the TPM's answer ends early");
            _at += count;
            return bytes[(_at - count).._at];
        }
    }
}
