using System.Security.Cryptography;
using System.Text;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Operate;

/// <summary>
/// What an operator's request must bring: 64 hex digits from <c>operator.token</c> in the data folder (0600), made at the first start. Whoever can read
/// the file may give orders; deleting it and starting again makes a new one. It is never logged.
/// </summary>
public sealed class OperatorToken
{
    /// <summary>The file's name in the data folder.</summary>
    public const string FileName = "operator.token";

    private const int Chars = 64;
    private const string Scheme = "Bearer ";

    private readonly byte[] _hash;

    private OperatorToken(byte[] hash) => _hash = hash;

    /// <summary>Reads the file, or makes it. Throws <see cref="SettingsException"/> when others may read it or it is no token.</summary>
    public static OperatorToken Open(string folder)
    {
        string path = Path.Combine(folder, FileName);
        if (!File.Exists(path)) SecretFile.Write(path, Encoding.ASCII.GetBytes(RandomNumberGenerator.GetHexString(Chars, lowercase: true) + "\n"));
        byte[] content = SecretFile.Read(path);
        try
        {
            ReadOnlySpan<byte> token = content.AsSpan().Trim(" \t\r\n"u8);
            if (token.Length != Chars) throw new SettingsException($"{path} holds no token (64 hex digits). Delete it: a new one is made at the next start.");
            return new OperatorToken(SHA256.HashData(token));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(content);
        }
    }

    /// <summary>Whether an Authorization header brings the token. Takes the same time for every header of a length: hashes are compared, all of them.</summary>
    public bool Admits(string? header)
    {
        if (header is null || !header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) || header.Length > Scheme.Length + (2 * Chars)) return false;
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(header[Scheme.Length..].Trim()));
        return CryptographicOperations.FixedTimeEquals(hash, _hash);
    }
}
