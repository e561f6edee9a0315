using System.Net;
using System.Net.Sockets;

namespace DePIN.Gateway.Peer;

/// <summary>
/// What strangers may do to the listener: so many handshakes at a time, and so many attempts per address (IPv4, or IPv6 /64) that end without
/// a pinned key. Who shows a pinned key gets its attempt back, so many gateways behind one address do not hinder each other.
/// Asked before TLS: a refused connection costs no handshake.
/// </summary>
public sealed class PeerAdmission(TimeProvider time)
{
    /// <summary>Handshakes under way, all together.</summary>
    public const int HandshakesMax = 64;

    /// <summary>Handshakes under way from one address.</summary>
    public const int HandshakesPerAddressMax = 8;

    /// <summary>Attempts without a pinned key that an address has at once.</summary>
    public const int AttemptsBurst = 20;

    /// <summary>Attempts it gets back.</summary>
    public const double AttemptsPerSecond = 0.5;

    /// <summary>Addresses remembered; beyond, the one that was quiet longest is forgotten.</summary>
    public const int AddressesMax = 4_096;

    private const int Ipv6NetworkBytes = 8;

    private readonly Lock _gate = new();
    private readonly Dictionary<IPAddress, Visitor> _visitors = [];
    private int _handshakes;

    /// <summary>Connections refused so far.</summary>
    public long Refused { get; private set; }

    /// <summary>Begins a handshake; null when it may not be.</summary>
    public Attempt? Enter(IPAddress? address)
    {
        IPAddress network = NetworkOf(address);
        lock (_gate)
        {
            if (!_visitors.TryGetValue(network, out Visitor? visitor))
            {
                if (_visitors.Count >= AddressesMax) Forget();
                _visitors[network] = visitor = new Visitor(new TokenBucket(AttemptsPerSecond, AttemptsBurst, time));
            }

            visitor.LastMs = time.GetUtcNow().ToUnixTimeMilliseconds();
            if (_handshakes >= HandshakesMax || visitor.Handshakes >= HandshakesPerAddressMax || !visitor.Attempts.TryTake(1))
            {
                Refused++;
                return null;
            }

            _handshakes++;
            visitor.Handshakes++;
            return new Attempt(this, visitor);
        }
    }

    private void Forget()
    {
        IPAddress quietest = _visitors.MinBy(v => v.Value.Handshakes > 0 ? long.MaxValue : v.Value.LastMs).Key;
        _visitors.Remove(quietest);
    }

    private static IPAddress NetworkOf(IPAddress? address)
    {
        if (address is null) return IPAddress.None;
        if (address.IsIPv4MappedToIPv6) return address.MapToIPv4();
        if (address.AddressFamily != AddressFamily.InterNetworkV6) return address;
        byte[] bytes = address.GetAddressBytes();
        bytes.AsSpan(Ipv6NetworkBytes).Clear();
        return new IPAddress(bytes);
    }

    /// <summary>A handshake under way.</summary>
    public sealed class Attempt
    {
        private readonly PeerAdmission _owner;
        private readonly Visitor _visitor;
        private bool _ended;

        internal Attempt(PeerAdmission owner, Visitor visitor) => (_owner, _visitor) = (owner, visitor);

        /// <summary>It ended. Calling it again changes nothing.</summary>
        public void End(bool pinned)
        {
            lock (_owner._gate)
            {
                if (_ended) return;
                _ended = true;
                _owner._handshakes--;
                _visitor.Handshakes--;
                if (pinned) _visitor.Attempts.Refund(1);
            }
        }
    }

    internal sealed class Visitor(TokenBucket attempts)
    {
        public TokenBucket Attempts => attempts;
        public int Handshakes;
        public long LastMs;
    }
}
