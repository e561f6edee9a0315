using System.Runtime.InteropServices;
using System.Text;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Sign;

/// <summary>A PKCS#11 function refused: its name and its CKR code (PKCS#11 v2.40, section 5.1).</summary>
internal sealed class CryptokiException(string function, nuint code) : Exception($"{function} answered 0x{code:x}")
{
    public nuint Code { get; } = code;

    /// <summary>The session, the token or its reader went away, or somebody else logged out: another session may help.</summary>
    public bool IsLost => Code is 0x05 or 0x06 or 0x30 or 0x31 or 0x32 or 0x60 or 0x82 or 0xB0 or 0xB3 or 0xE0 or 0xE1 or 0x101 or 0x190;
}

/// <summary>What a token says of itself: CK_TOKEN_INFO.</summary>
internal sealed record CryptokiToken(nuint Slot, string Label, string Manufacturer, string Model, string Serial, nuint Flags)
{
    /// <summary>CKF_USER_PIN_COUNT_LOW: a wrong PIN was given since the last right one.</summary>
    public bool IsPinCountLow => (Flags & 0x10000) != 0;

    /// <summary>CKF_USER_PIN_FINAL_TRY: one more wrong one locks it.</summary>
    public bool IsPinFinalTry => (Flags & 0x20000) != 0;

    /// <summary>CKF_USER_PIN_LOCKED.</summary>
    public bool IsPinLocked => (Flags & 0x40000) != 0;
}

/// <summary>
/// The few functions of a PKCS#11 library (Cryptoki v2.40) that a signer needs, called through its function list. CK_ULONG is the machine's
/// word and structures are aligned naturally, as on Linux and macOS; Windows packs them and is refused. One thread at a time.
/// </summary>
internal sealed unsafe class Cryptoki : IDisposable
{
    private const nuint Ok = 0;
    private const nuint AlreadyInitialized = 0x191;
    private const nuint User = 1;
    private const nuint SerialSession = 4;
    private const nuint ReadWriteSession = 2;
    private const nuint PublicKey = 2;
    private const nuint PrivateKey = 3;
    private const nuint KeyTypeEc = 3;
    private const nuint MechanismEcKeyPair = 0x1040;
    private const nuint MechanismEcdsa = 0x1041;
    private const int TokenInfoBytes = 256; // more than CK_TOKEN_INFO has
    private const int SlotsMax = 64;

    // Places in CK_FUNCTION_LIST, section 3.6.
    private const int InitializeAt = 0, FinalizeAt = 1, GetSlotList = 4, GetTokenInfo = 6, OpenSessionAt = 12, CloseSessionAt = 13, LoginAt = 18, CreateObject = 20,
        FindObjectsInit = 26, FindObjects = 27, FindObjectsFinal = 28, SignInit = 42, SignAt = 43, GenerateKeyPair = 59;

    // DER of the object identifier 1.3.132.0.10, SEC 2: secp256k1.
    private static readonly byte[] Curve = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a];

    private readonly nint* _functions;
    private readonly bool _initialized;

    private Cryptoki(nint* functions)
    {
        _functions = functions;
        InitializeArguments arguments = new() { Flags = 2 }; // CKF_OS_LOCKING_OK
        nuint code = ((delegate* unmanaged[Cdecl]<InitializeArguments*, nuint>)functions[InitializeAt])(&arguments);
        _initialized = code == Ok;
        if (code is not (Ok or AlreadyInitialized)) throw new CryptokiException("C_Initialize", code);
    }

    /// <exception cref="SettingsException">The library is missing or is no PKCS#11 module.</exception>
    public static Cryptoki Load(string path)
    {
        if (OperatingSystem.IsWindows()) throw new SettingsException("key.uri: pkcs11: works on Linux and macOS. Use file: on Windows.");
        try
        {
            nint library = NativeLibrary.Load(path);
            nint list = 0;
            nuint code = ((delegate* unmanaged[Cdecl]<nint*, nuint>)NativeLibrary.GetExport(library, "C_GetFunctionList"))(&list);
            if (code != Ok) throw new CryptokiException("C_GetFunctionList", code);
            return new Cryptoki((nint*)(list + nint.Size)); // behind CK_VERSION, two bytes and padding
        }
        catch (Exception fault) when (fault is DllNotFoundException or BadImageFormatException or EntryPointNotFoundException)
        {
            throw new SettingsException($"key.uri: {path} is no PKCS#11 library of this machine ({fault.Message.Split('\n')[0]}). Install the token's package and name its library with module-path.");
        }
    }

    public IReadOnlyList<CryptokiToken> Tokens()
    {
        nuint* slots = stackalloc nuint[SlotsMax];
        nuint count = SlotsMax;
        Check("C_GetSlotList", ((delegate* unmanaged[Cdecl]<byte, nuint*, nuint*, nuint>)_functions[GetSlotList])(1, slots, &count));
        List<CryptokiToken> tokens = [];
        byte* info = stackalloc byte[TokenInfoBytes];
        for (nuint i = 0; i < count; i++)
        {
            nuint code = ((delegate* unmanaged[Cdecl]<nuint, byte*, nuint>)_functions[GetTokenInfo])(slots[i], info);
            if (code != Ok) continue; // pulled meanwhile, or not this reader's kind
            tokens.Add(new CryptokiToken(slots[i], Text(info, 32), Text(info + 32, 32), Text(info + 64, 16), Text(info + 80, 16), *(nuint*)(info + 96)));
        }

        return tokens;
    }

    public nuint OpenSession(nuint slot, bool readWrite)
    {
        nuint session;
        Check("C_OpenSession", ((delegate* unmanaged[Cdecl]<nuint, nuint, nint, nint, nuint*, nuint>)_functions[OpenSessionAt])(slot, SerialSession | (readWrite ? ReadWriteSession : 0), 0, 0, &session));
        return session;
    }

    public void CloseSession(nuint session) => _ = ((delegate* unmanaged[Cdecl]<nuint, nuint>)_functions[CloseSessionAt])(session); // of a token that is gone too

    public void Login(nuint session, ReadOnlySpan<byte> pin)
    {
        fixed (byte* at = pin)
            Check("C_Login", ((delegate* unmanaged[Cdecl]<nuint, nuint, byte*, nuint, nuint>)_functions[LoginAt])(session, User, at, (nuint)pin.Length));
    }

    /// <summary>The private EC keys with this label and id; null matches any. At most two, because one is wanted.</summary>
    public nuint[] FindKeys(nuint session, byte[]? label, byte[]? id)
    {
        using Template template = Identity(PrivateKey, label, id).Word(Attribute.KeyType, KeyTypeEc);
        nuint* found = stackalloc nuint[2];
        nuint count;
        template.Use((at, length) => Check("C_FindObjectsInit", ((delegate* unmanaged[Cdecl]<nuint, AttributeValue*, nuint, nuint>)_functions[FindObjectsInit])(session, at, length)));
        nuint code = ((delegate* unmanaged[Cdecl]<nuint, nuint*, nuint, nuint*, nuint>)_functions[FindObjects])(session, found, 2, &count);
        Check("C_FindObjectsFinal", ((delegate* unmanaged[Cdecl]<nuint, nuint>)_functions[FindObjectsFinal])(session));
        Check("C_FindObjects", code);
        return new ReadOnlySpan<nuint>(found, (int)count).ToArray();
    }

    /// <summary>Makes a pair on secp256k1 whose private half cannot leave the token.</summary>
    public void Generate(nuint session, byte[]? label, byte[]? id)
    {
        using Template publicHalf = Identity(PublicKey, label, id).Flag(Attribute.Token, true).Flag(Attribute.Verify, true).Bytes(Attribute.EcParameters, Curve);
        using Template privateHalf = Kept(label, id);
        Mechanism mechanism = new() { Type = MechanismEcKeyPair };
        Mechanism* how = &mechanism;
        nuint one, two;
        nuint* first = &one, second = &two;
        publicHalf.Use((at, length) => privateHalf.Use((privateAt, privateLength) => Check(
            "C_GenerateKeyPair",
            ((delegate* unmanaged[Cdecl]<nuint, Mechanism*, AttributeValue*, nuint, AttributeValue*, nuint, nuint*, nuint*, nuint>)_functions[GenerateKeyPair])(session, how, at, length, privateAt, privateLength, first, second))));
    }

    /// <summary>Puts a private key in, which cannot leave the token again.</summary>
    public void Import(nuint session, byte[]? label, byte[]? id, byte[] secret)
    {
        using Template template = Kept(label, id).Word(Attribute.KeyType, KeyTypeEc).Bytes(Attribute.EcParameters, Curve).Bytes(Attribute.Value, secret);
        nuint made;
        nuint* at = &made;
        template.Use((attributes, length) => Check("C_CreateObject", ((delegate* unmanaged[Cdecl]<nuint, AttributeValue*, nuint, nuint*, nuint>)_functions[CreateObject])(session, attributes, length, at)));
    }

    /// <summary>CKM_ECDSA over a digest: r ‖ s, 64 bytes.</summary>
    public byte[] Sign(nuint session, nuint key, ReadOnlySpan<byte> digest)
    {
        Mechanism mechanism = new() { Type = MechanismEcdsa };
        Check("C_SignInit", ((delegate* unmanaged[Cdecl]<nuint, Mechanism*, nuint, nuint>)_functions[SignInit])(session, &mechanism, key));
        byte[] signature = new byte[144]; // two words of the largest curve
        nuint length = (nuint)signature.Length;
        fixed (byte* input = digest, output = signature)
            Check("C_Sign", ((delegate* unmanaged[Cdecl]<nuint, byte*, nuint, byte*, nuint*, nuint>)_functions[SignAt])(session, input, (nuint)digest.Length, output, &length));
        return signature[..(int)length];
    }

    /// <summary>Lets go of the token; the library stays loaded, as many of them cannot be unloaded.</summary>
    public void Dispose()
    {
        if (_initialized) _ = ((delegate* unmanaged[Cdecl]<nint, nuint>)_functions[FinalizeAt])(0);
    }

    private static Template Kept(byte[]? label, byte[]? id) => Identity(PrivateKey, label, id)
        .Flag(Attribute.Token, true).Flag(Attribute.Private, true).Flag(Attribute.Sensitive, true).Flag(Attribute.Extractable, false).Flag(Attribute.Sign, true);

    private static Template Identity(nuint kind, byte[]? label, byte[]? id)
    {
        Template template = new Template().Word(Attribute.Class, kind);
        if (label is not null) template.Bytes(Attribute.Label, label);
        return id is null ? template : template.Bytes(Attribute.Id, id);
    }

    private static void Check(string function, nuint code)
    {
        if (code != Ok) throw new CryptokiException(function, code);
    }

    // Padded with blanks, not ended by zero.
    private static string Text(byte* at, int length) => Encoding.UTF8.GetString(at, length).TrimEnd(' ', '\0');

    private enum Attribute
    {
        Class = 0, Token = 1, Private = 2, Label = 3, Value = 0x11, KeyType = 0x100, Id = 0x102, Sensitive = 0x103, Sign = 0x108, Verify = 0x10A, Extractable = 0x162, EcParameters = 0x180,
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct AttributeValue
    {
        public nuint Type;
        public nint Value;
        public nuint Length;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Mechanism
    {
        public nuint Type;
        public nint Parameter;
        public nuint Length;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct InitializeArguments
    {
        public nint CreateMutex;
        public nint DestroyMutex;
        public nint LockMutex;
        public nint UnlockMutex;
        public nuint Flags;
        public nint Reserved;
    }

    private delegate void TemplateUse(AttributeValue* attributes, nuint count);

    /// <summary>A CK_ATTRIBUTE array with its values in memory of their own, zeroed at the end: one of them may be a key.</summary>
    private sealed class Template : IDisposable
    {
        private readonly List<AttributeValue> _values = [];

        public Template Word(Attribute type, nuint value) => Bytes(type, MemoryMarshal.AsBytes(new ReadOnlySpan<nuint>(in value)));

        public Template Flag(Attribute type, bool value) => Bytes(type, [value ? (byte)1 : (byte)0]);

        public Template Bytes(Attribute type, ReadOnlySpan<byte> value)
        {
            nint copy = (nint)NativeMemory.Alloc((nuint)value.Length);
            value.CopyTo(new Span<byte>((void*)copy, value.Length));
            _values.Add(new AttributeValue { Type = (nuint)(int)type, Value = copy, Length = (nuint)value.Length });
            return this;
        }

        public void Use(TemplateUse use)
        {
            fixed (AttributeValue* at = CollectionsMarshal.AsSpan(_values)) use(at, (nuint)_values.Count);
        }

        public void Dispose()
        {
            foreach (AttributeValue value in _values)
            {
                NativeMemory.Clear((void*)value.Value, value.Length);
                NativeMemory.Free((void*)value.Value);
            }

            _values.Clear();
        }
    }
}
