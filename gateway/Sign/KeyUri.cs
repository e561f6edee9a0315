using System.Globalization;

namespace DePIN.Gateway.Sign;

/// <summary>Where the gateway's key is, as setting <c>key.uri</c> says it: <c>file:</c>, <c>pkcs11:</c> (RFC 7512) or <c>tpm2:</c>.</summary>
public abstract record KeyUri
{
    private static readonly string[] TokenAttributes = ["token", "serial", "manufacturer", "model", "object", "id", "type"];

    /// <param name="text">The setting.</param>
    /// <param name="folder">The data folder: relative paths are relative to it, so that a folder stays whole when it moves.</param>
    /// <exception cref="FormatException">Not such a URI; the message says why.</exception>
    public static KeyUri Parse(string text, string folder)
    {
        ArgumentNullException.ThrowIfNull(text);
        int colon = text.IndexOf(':', StringComparison.Ordinal), question = text.IndexOf('?', StringComparison.Ordinal);
        string scheme = colon < 0 ? "" : text[..colon], query = question < 0 ? "" : text[(question + 1)..];
        string path = colon < 0 ? "" : text[(colon + 1)..(question < 0 ? text.Length : question)];
        switch (scheme)
        {
            case "file":
                if (question >= 0) throw new FormatException("a file: key has no query");
                return new FileKeyUri(PathOf(path, folder));
            case "tpm2":
                Dictionary<string, string> where = Attributes(query, '&', ["device", "socket"]);
                if (where.Count > 1) throw new FormatException("device and socket exclude each other");
                return new TpmKeyUri(PathOf(path, folder), where.GetValueOrDefault("device") ?? (where.Count == 0 ? "/dev/tpmrm0" : null), where.GetValueOrDefault("socket"));
            case "pkcs11":
                return Token(Attributes(path, ';', TokenAttributes), Attributes(query, '&', ["module-path", "pin-source", "pin-value"]), folder);
            default:
                throw new FormatException("it begins with none of file:, pkcs11: and tpm2:");
        }
    }

    private static TokenKeyUri Token(Dictionary<string, string> path, Dictionary<string, string> query, string folder)
    {
        if (query.ContainsKey("pin-value")) throw new FormatException("a PIN in it would be read by everyone who reads the settings: name a file with pin-source=file:PATH");
        if (!query.TryGetValue("module-path", out string? module)) throw new FormatException("module-path is missing: the token's library, as /usr/lib/softhsm/libsofthsm2.so");
        if (!path.ContainsKey("token") && !path.ContainsKey("serial")) throw new FormatException("neither token nor serial names the token");
        if (!path.ContainsKey("object") && !path.ContainsKey("id")) throw new FormatException("neither object nor id names the key");
        if (path.GetValueOrDefault("type", "private") != "private") throw new FormatException("type is private or left out");
        string? pin = query.GetValueOrDefault("pin-source");
        if (pin?.StartsWith('|') == true) throw new FormatException("a pin-source that is a command is not run: name a file");
        return new TokenKeyUri(
            path.GetValueOrDefault("token"), path.GetValueOrDefault("serial"), path.GetValueOrDefault("manufacturer"), path.GetValueOrDefault("model"),
            path.GetValueOrDefault("object"), path.GetValueOrDefault("id"), module, pin is null ? null : PathOf(pin.StartsWith("file:", StringComparison.Ordinal) ? pin[5..] : pin, folder));
    }

    // RFC 7512 section 2.3: attributes with percent-encoded values, each at most once.
    private static Dictionary<string, string> Attributes(string text, char separator, string[] known)
    {
        Dictionary<string, string> attributes = [];
        foreach (string part in text.Split(separator, StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = part.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? part : part[..equals];
            if (equals < 0 || Array.IndexOf(known, name) < 0) throw new FormatException($"'{name}' is none of {string.Join(", ", known)}");
            if (!attributes.TryAdd(name, name == "id" ? Bytes(part[(equals + 1)..]) : Uri.UnescapeDataString(part[(equals + 1)..]))) throw new FormatException($"{name} is given twice");
        }

        return attributes;
    }

    /// <summary>The bytes of a percent-encoded value, as hex.</summary>
    private static string Bytes(string text)
    {
        List<byte> bytes = [];
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '%')
            {
                bytes.Add((byte)text[i]);
                continue;
            }

            if (i + 2 >= text.Length || !byte.TryParse(text.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value))
                throw new FormatException("id is percent-encoded: %01%02");
            bytes.Add(value);
            i += 2;
        }

        return bytes.Count > 0 ? Convert.ToHexStringLower([.. bytes]) : throw new FormatException("id is empty");
    }

    private static string PathOf(string path, string folder)
    {
        path = path.StartsWith("///", StringComparison.Ordinal) ? path[2..] : path;
        if (path.Length == 0 || path.StartsWith("//", StringComparison.Ordinal)) throw new FormatException("it names no file of this machine");
        return Path.GetFullPath(Uri.UnescapeDataString(path), folder);
    }
}

/// <summary>A file: 64 hex digits, or an Ethereum keystore (version 3) under a passphrase; the content tells which.</summary>
/// <param name="Path">Absolute.</param>
public sealed record FileKeyUri(string Path) : KeyUri;

/// <summary>A private key that stays in a PKCS#11 token. What is null matches anything.</summary>
/// <param name="Token">The token's label.</param>
/// <param name="Serial">Its serial number.</param>
/// <param name="Manufacturer">Its maker.</param>
/// <param name="Model">Its model.</param>
/// <param name="Object">The key's label (CKA_LABEL).</param>
/// <param name="Id">The key's CKA_ID, hex.</param>
/// <param name="ModulePath">The library.</param>
/// <param name="PinSource">File with the PIN in its first line, absolute; null asks the sources of a passphrase.</param>
public sealed record TokenKeyUri(string? Token, string? Serial, string? Manufacturer, string? Model, string? Object, string? Id, string ModulePath, string? PinSource) : KeyUri
{
    /// <summary>The token, for messages.</summary>
    public string TokenName => Token is null ? $"with serial {Serial}" : $"'{Token}'";

    /// <summary>The key, for messages.</summary>
    public string KeyName => Object is null ? $"with id {Id}" : $"'{Object}'";
}

/// <summary>A file that only the TPM that sealed it opens.</summary>
/// <param name="Path">Absolute.</param>
/// <param name="Device">The TPM's character device, or null.</param>
/// <param name="Socket">A software TPM's Unix socket instead, for virtual machines.</param>
public sealed record TpmKeyUri(string Path, string? Device, string? Socket) : KeyUri;
