// Checks passwords one after the other on one worker, so that logins cannot eat the processor: who finds the queue full comes again later. A password
// that was right is remembered as a keyed hash for as long as the process runs, so that 2,000 boards that reconnect cost 2,000 HMACs. After FailuresFree
// wrong ones an address (IPv6: its /64) has to wait, twice as long each time; who is remembered passes nevertheless.

using System.Net;
using System.Security.Cryptography;
using System.Threading.Channels;
using DePIN.Mqtt;

namespace DePIN.Gateway.Ingest;

/// <summary>Whether users are asked for.</summary>
public enum LoginMode
{
    /// <summary>User names are not looked at.</summary>
    None,

    /// <summary>Who gives a user name needs its password; who gives none is anonymous.</summary>
    Optional,

    /// <summary>A login, or a client certificate.</summary>
    Required,
}

internal sealed class LoginDesk : IDisposable
{
    private const int QueueMax = 128;
    private const int AddressesMax = 10_000;
    private const int FailuresFree = 5;
    private static readonly TimeSpan WaitMax = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Forgiven = TimeSpan.FromMinutes(15);

    private readonly Func<LoginBook?> _book;
    private readonly TimeProvider _time;
    private readonly byte[] _key = RandomNumberGenerator.GetBytes(32);
    private readonly Channel<Request> _queue = Channel.CreateBounded<Request>(new BoundedChannelOptions(QueueMax) { SingleReader = true });
    private readonly Lock _gate = new();
    private readonly Dictionary<string, byte[]> _proved = new(StringComparer.Ordinal); // at most one a user of the book
    private readonly Dictionary<IPAddress, Failures> _failures = [];

    public LoginDesk(Func<LoginBook?> book, TimeProvider time)
    {
        (_book, _time) = (book, time);
        _ = Task.Run(WorkAsync);
    }

    /// <summary>Takes a login. The answer comes by <paramref name="told"/> on another thread, or is returned when it is known at once.</summary>
    /// <returns>Null: it comes. Otherwise the identity, or why not.</returns>
    public (ClientIdentity? Identity, MqttReason Reason)? Take(string user, byte[] password, IPAddress address, Action<ClientIdentity?, MqttReason> told)
    {
        LoginBook? book = _book();
        lock (_gate)
        {
            if (book?.Find(user) is { } known && _proved.TryGetValue(user, out byte[]? proved) && CryptographicOperations.FixedTimeEquals(proved, Mac(known.Salt, password)))
            {
                return (known.Identity, MqttReason.Success);
            }

            if (_failures.TryGetValue(address, out Failures? failures) && _time.GetElapsedTime(failures.Last) < failures.Wait)
            {
                return (null, MqttReason.Banned);
            }
        }

        return _queue.Writer.TryWrite(new Request(user, password, address, told)) ? null : (null, MqttReason.ServerBusy);
    }

    public void Dispose() => _queue.Writer.TryComplete();

    private async Task WorkAsync()
    {
        await foreach (Request request in _queue.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            ClientIdentity? identity = null;
            if (_book() is { } book)
            {
                identity = book.Check(request.User, request.Password, out byte[] salt);
                lock (_gate)
                {
                    if (identity is not null)
                    {
                        _proved[request.User] = Mac(salt, request.Password);
                    }
                    else
                    {
                        Count(request.Address);
                    }
                }
            }

            CryptographicOperations.ZeroMemory(request.Password);
            request.Told(identity, identity is null ? MqttReason.BadUserNameOrPassword : MqttReason.Success);
        }
    }

    // Under _gate.
    private void Count(IPAddress address)
    {
        long now = _time.GetTimestamp();
        if (!_failures.TryGetValue(address, out Failures? failures) || _time.GetElapsedTime(failures.Last) > Forgiven)
        {
            if (_failures.Count >= AddressesMax)
            {
                _failures.Remove(_failures.MinBy(one => one.Value.Last).Key);
            }

            _failures[address] = failures = new Failures();
        }

        failures.Last = now;
        if (++failures.Number > FailuresFree)
        {
            TimeSpan wait = TimeSpan.FromSeconds(1 << Math.Min(failures.Number - FailuresFree - 1, 10));
            failures.Wait = wait < WaitMax ? wait : WaitMax;
        }
    }

    private byte[] Mac(byte[] salt, byte[] password) => HMACSHA256.HashData(_key, (byte[])[.. salt, .. password]);

    private sealed record Request(string User, byte[] Password, IPAddress Address, Action<ClientIdentity?, MqttReason> Told);

    private sealed class Failures
    {
        public int Number { get; set; }

        public long Last { get; set; }

        public TimeSpan Wait { get; set; }
    }
}
