using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DePIN.Gateway.Operate;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Ingest;

/// <summary>
/// The users of the listener (mqtt.credentials): a 0600 file, one line a user, <c>user:role:iterations:salt:hash</c>; salt and hash are Base64, the hash is
/// PBKDF2-HMAC-SHA-256 (RFC 8018 section 5.2), 32 bytes. Empty lines and lines that begin with # are skipped. 'depin gateway mqtt' writes it.
/// </summary>
public sealed class LoginBook
{
    /// <summary>For a new line. 'depin gateway mqtt add' makes passwords of 144 bits, for which any count is enough; this is for those that people choose.</summary>
    public const int Iterations = 100_000;

    private const int IterationsMax = 2_000_000; // a line must not stop the desk for seconds
    private const int HashBytes = 32;
    private const int SaltBytes = 16;
    private const int UserCharsMax = 64;

    // Who is not in the book is hashed against this, so that time does not tell who is.
    private static readonly Entry Nobody = new("", ClientRole.Anonymous, Iterations, new byte[SaltBytes], new byte[HashBytes]);

    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    /// <summary>User names and roles, by name.</summary>
    public IReadOnlyList<(string User, ClientRole Role)> Users => [.. _entries.Values.Select(entry => (entry.User, entry.Role)).OrderBy(user => user.User, StringComparer.Ordinal)];

    /// <summary>Reads a file.</summary>
    /// <exception cref="SettingsException">It is missing, readable by others, or a line is wrong.</exception>
    public static LoginBook Read(string path)
    {
        byte[] content;
        try
        {
            SecretFile.RequirePrivate(path);
            content = File.ReadAllBytes(path);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new SettingsException($"{path} cannot be read ({fault.Message}). Make it with 'depin gateway mqtt add'.");
        }

        LoginBook book = new();
        int number = 0;
        foreach (string line in Encoding.UTF8.GetString(content).Split('\n'))
        {
            number++;
            if (line.Length > 0 && line[0] != '#' && !book.TryAdd(line.TrimEnd('\r')))
            {
                throw new SettingsException($"{path}({number}): no line of the form user:role:iterations:salt:hash, or the user is there twice. Write it with 'depin gateway mqtt add'.");
            }
        }

        return book;
    }

    /// <summary>A user's line, with a new salt.</summary>
    public static string Line(string user, ClientRole role, ReadOnlySpan<byte> password)
    {
        byte[] salt = RandomNumberGenerator.GetBytes(SaltBytes);
        byte[] hash = Rfc2898DeriveBytes.Pbkdf2(password, salt, Iterations, HashAlgorithmName.SHA256, HashBytes);
        return string.Create(CultureInfo.InvariantCulture, $"{user}:{role.ToString().ToLowerInvariant()}:{Iterations}:{Convert.ToBase64String(salt)}:{Convert.ToBase64String(hash)}");
    }

    /// <summary>Why a name cannot be a user's; null when it can.</summary>
    public static string? WhyNot(string user, ClientRole role) =>
        user.Length is 0 or > UserCharsMax || user[0] == '#' || user.Any(c => c is ':' || char.IsControl(c)) ? $"a user name has 1 to {UserCharsMax} characters, no colon, and does not begin with #"
        : role == ClientRole.Device && !ClientIdentity.IsDeviceId(user) ? "a device's user name is its id, 40 lower-case hex digits"
        : null;

    /// <summary>Takes about as long for a user that is not there. Null when the password is wrong.</summary>
    internal ClientIdentity? Check(string user, ReadOnlySpan<byte> password, out byte[] salt)
    {
        Entry entry = _entries.GetValueOrDefault(user) ?? Nobody;
        salt = entry.Salt;
        byte[] hash = Rfc2898DeriveBytes.Pbkdf2(password, entry.Salt, entry.Iterations, HashAlgorithmName.SHA256, HashBytes);
        return CryptographicOperations.FixedTimeEquals(hash, entry.Hash) && entry != Nobody ? new ClientIdentity(entry.Role, entry.User) : null;
    }

    /// <summary>The user's salt and identity, for who has proved the password already.</summary>
    internal (byte[] Salt, ClientIdentity Identity)? Find(string user) =>
        _entries.TryGetValue(user, out Entry? entry) ? (entry.Salt, new ClientIdentity(entry.Role, entry.User)) : null;

    private bool TryAdd(string line)
    {
        string[] parts = line.Split(':');
        if (parts.Length != 5 || !Enum.TryParse(parts[1], ignoreCase: true, out ClientRole role) || role == ClientRole.Anonymous || !char.IsLetter(parts[1][0]) || WhyNot(parts[0], role) is not null
            || !int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out int iterations) || iterations is < 1 or > IterationsMax)
        {
            return false;
        }

        try
        {
            Entry entry = new(parts[0], role, iterations, Convert.FromBase64String(parts[3]), Convert.FromBase64String(parts[4]));
            return entry.Salt.Length >= SaltBytes && entry.Hash.Length == HashBytes && _entries.TryAdd(entry.User, entry);
        }
        catch (FormatException)
        {
            return false;
        }
    }

    private sealed record Entry(string User, ClientRole Role, int Iterations, byte[] Salt, byte[] Hash);
}
