using System.Security.Cryptography;
using System.Text;
using DePIN.Evidence;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Sign;

/// <summary>
/// A key that is made in a PKCS#11 token and never leaves it. A PIN is tried once a start and never by itself again: a token locks. A token
/// that allows one last try is not asked at all.
/// </summary>
public sealed class TokenKey(TokenKeyUri uri, KeySecret secret) : KeyPlace
{
    /// <inheritdoc/>
    public override string Name => $"key {uri.KeyName} in PKCS#11 token {uri.TokenName}";

    /// <inheritdoc/>
    public override string Remedy => "Insert the token that has it, or its vendor's copy; or start with an empty data folder to be a new gateway.";

    /// <inheritdoc/>
    public override IEthereumSigner? TryOpen()
    {
        TokenSession session = new(uri, secret);
        try
        {
            if (session.IsEmpty())
            {
                session.Dispose();
                return null;
            }

            return new TokenSigner(session, Name);
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override IEthereumSigner Create(RandomNumberGenerator random)
    {
        using (TokenSession session = new(uri, secret, readWrite: true)) session.Generate();
        return TryOpen() ?? throw new KeyAwayException($"{Name} was made, and the token does not show it. Look at its own tools.");
    }

    /// <inheritdoc/>
    public override void Put(GatewaySigner key, RandomNumberGenerator random)
    {
        ArgumentNullException.ThrowIfNull(key);
        using TokenSession session = new(uri, secret, readWrite: true);
        if (!session.IsEmpty()) throw new SettingsException($"{Name} is there already. Name another object: a key is never overwritten.");
        session.Import(key);
    }

    /// <summary>A session that is logged in; finds and opens the token anew when it went away.</summary>
    internal sealed class TokenSession : IDisposable
    {
        private readonly TokenKeyUri _uri;
        private readonly bool _readWrite;
        private readonly byte[] _pin;
        private readonly byte[]? _label;
        private readonly byte[]? _id;
        private Cryptoki? _library;
        private nuint _session;
        private nuint _key;
        private bool _refused;

        public TokenSession(TokenKeyUri uri, KeySecret secret, bool readWrite = false)
        {
            (_uri, _readWrite) = (uri, readWrite);
            _label = uri.Object is null ? null : Encoding.UTF8.GetBytes(uri.Object);
            _id = uri.Id is null ? null : Convert.FromHexString(uri.Id);
            _pin = secret.Read(uri.PinSource) ?? throw new SettingsException($"there is no PIN for PKCS#11 token {uri.TokenName}. Add pin-source=file:PATH to key.uri. {KeySecret.Remedy}");
            try
            {
                Open();
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public bool IsEmpty() => Told(() => Find() == 0);

        public void Generate() => Told(() =>
        {
            _library!.Generate(_session, _label, _id);
            return true;
        });

        public void Import(GatewaySigner key) => Told(() =>
        {
            byte[] value = new byte[EthereumCrypto.PrivateKeyBytes];
            key.CopyPrivateKey(value);
            try
            {
                _library!.Import(_session, _label, _id, value);
            }
            finally
            {
                CryptographicOperations.ZeroMemory(value);
            }

            return true;
        });

        /// <summary>r ‖ s; opens the token once more when it was lost, for example pulled and inserted.</summary>
        public byte[] Sign(Hash32 digest) => Told(() =>
        {
            if (_session != 0)
            {
                try
                {
                    return _library!.Sign(_session, _key, digest.ToArray());
                }
                catch (CryptokiException fault) when (fault.IsLost)
                {
                }
            }

            Close(); // finalized and initialized: many libraries see a token that came back only then
            Open();
            if (Find() == 0) throw new KeyAwayException($"PKCS#11 token {_uri.TokenName} came back without key {_uri.KeyName}. Insert the one that has it.");
            return _library!.Sign(_session, _key, digest.ToArray());
        });

        public void Dispose()
        {
            Close();
            CryptographicOperations.ZeroMemory(_pin);
        }

        private void Close()
        {
            if (_session != 0) _library?.CloseSession(_session);
            _library?.Dispose();
            (_library, _session, _key) = (null, 0, 0);
        }

        private void Open()
        {
            if (_refused) throw new KeyAwayException($"PKCS#11 token {_uri.TokenName} refused its PIN, which is not tried again. Set the right one and start the gateway anew.");
            _library = Cryptoki.Load(_uri.ModulePath);
            CryptokiToken[] tokens = [.. Told(_library.Tokens).Where(Matches)];
            if (tokens.Length != 1)
                throw new KeyAwayException(tokens.Length == 0
                    ? $"PKCS#11 token {_uri.TokenName} is not there: {_uri.ModulePath} shows none that matches key.uri. Insert it, and look with: pkcs11-tool --module {_uri.ModulePath} --list-slots"
                    : $"{tokens.Length} PKCS#11 tokens match {_uri.TokenName}. Name one with its serial in key.uri.");
            if (tokens[0].IsPinLocked) throw new SettingsException($"PKCS#11 token {_uri.TokenName} is locked by wrong PINs. Unlock it with its security officer's PIN.");
            if (tokens[0].IsPinFinalTry) throw new SettingsException($"PKCS#11 token {_uri.TokenName} allows one last PIN, and it is not risked. Log in once by hand (pkcs11-tool --module {_uri.ModulePath} --login --list-objects), then start again.");
            _session = Told(() => _library.OpenSession(tokens[0].Slot, _readWrite));
            try
            {
                _library.Login(_session, _pin);
            }
            catch (CryptokiException fault) when (fault.Code is 0x100) // CKR_USER_ALREADY_LOGGED_IN: sessions of a process share it
            {
            }
            catch (CryptokiException fault) when (fault.Code is 0xA0 or 0xA1 or 0xA2 or 0xA3 or 0xA4 or 0x102)
            {
                _refused = true;
                string before = tokens[0].IsPinCountLow ? " It had refused one before: few tries are left." : "";
                string why = fault.Code switch
                {
                    0xA3 => "says that the PIN has expired", 0xA4 => "is locked now", 0x102 => "has no user's PIN yet", _ => "refused the PIN",
                };
                throw new SettingsException($"PKCS#11 token {_uri.TokenName} {why}.{before} It is not tried again by itself, because a token locks: set the right PIN, then start the gateway.");
            }
            catch (CryptokiException fault)
            {
                throw Away(fault);
            }
        }

        private nuint Find()
        {
            nuint[] keys = _library!.FindKeys(_session, _label, _id);
            if (keys.Length > 1) throw new SettingsException($"PKCS#11 token {_uri.TokenName} has several private keys {_uri.KeyName}. Name one with its id in key.uri.");
            return _key = keys.Length == 0 ? 0 : keys[0];
        }

        private bool Matches(CryptokiToken token) => (_uri.Token ?? token.Label) == token.Label && (_uri.Serial ?? token.Serial) == token.Serial
            && (_uri.Manufacturer ?? token.Manufacturer) == token.Manufacturer && (_uri.Model ?? token.Model) == token.Model;

        private T Told<T>(Func<T> act)
        {
            try
            {
                return act();
            }
            catch (CryptokiException fault)
            {
                throw Away(fault);
            }
        }

        private KeyAwayException Away(CryptokiException fault) => new(fault.Code is 0x70 or 0x71 or 0x130 or 0x140
            ? $"PKCS#11 token {_uri.TokenName} cannot sign on secp256k1 ({fault.Message}). Take another token, or file: or tpm2: as key.uri."
            : $"PKCS#11 token {_uri.TokenName} does not work ({fault.Message}). Look at it with: pkcs11-tool --module {_uri.ModulePath} --list-slots", fault);
    }

    /// <summary>Signs in the token. The account is found from two signatures, which proves the key at the same time: tokens differ in whether and how they show the public half.</summary>
    private sealed class TokenSigner : IEthereumSigner
    {
        private readonly Lock _lock = new();
        private readonly TokenSession _session;
        private readonly string _name;
        private bool _disposed;

        public TokenSigner(TokenSession session, string name)
        {
            (_session, _name) = (session, name);
            Hash32 first = EthereumCrypto.Keccak256("DePIN Edge: whose key is this? 1"u8), second = EthereumCrypto.Keccak256("DePIN Edge: whose key is this? 2"u8);
            if (!EthereumCrypto.TryFindSigner(session.Sign(first), first, session.Sign(second), second, out Address address))
                throw new SettingsException($"{name} is no key on secp256k1. Name another object in key.uri, or have one made: 'depin gateway init'.");
            Address = address;
        }

        public Address Address { get; }

        public EthereumSignature Sign(Hash32 digest)
        {
            byte[] signature;
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                signature = _session.Sign(digest);
            }

            return EthereumCrypto.TryComplete(signature, digest, Address, out EthereumSignature complete) ? complete
                : throw new KeyAwayException($"{_name} gave a signature that is not of {Address.ToChecksumString()}. The token is broken, or was exchanged: start the gateway anew.");
        }

        public void Dispose()
        {
            lock (_lock)
            {
                if (_disposed) return;
                _disposed = true;
                _session.Dispose();
            }
        }
    }
}
