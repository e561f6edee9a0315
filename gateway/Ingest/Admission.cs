// Who may open another connection: a bound for all, and one for each IPv4 address or IPv6 /64 (one subscriber owns a whole /64).
// The last eighth of the places is for newcomers: there an address needs to have fewer than are left, so that a few addresses cannot fill it.
// Asked before TLS, so that a refused client costs no handshake.

using System.Net;
using System.Net.Sockets;

namespace DePIN.Gateway.Ingest;

internal sealed class Admission(int connectionsMax, int perAddressMax)
{
    private const int Ipv6NetworkBytes = 8;

    private readonly int _kept = connectionsMax / 8;

    private readonly Lock _gate = new();
    private readonly Dictionary<IPAddress, int> _perAddress = [];
    private int _count;

    /// <summary>Takes a place; null when there was one, otherwise why not.</summary>
    public AdmissionRefusal? Enter(IPAddress? address)
    {
        IPAddress network = NetworkOf(address);
        lock (_gate)
        {
            if (_count >= connectionsMax)
            {
                return AdmissionRefusal.ConnectionsMax;
            }

            int here = _perAddress.GetValueOrDefault(network), left = connectionsMax - _count;
            if (here >= perAddressMax || (left <= _kept && here >= left))
            {
                return AdmissionRefusal.AddressMax;
            }

            _count++;
            _perAddress[network] = here + 1;
            return null;
        }
    }

    /// <summary>Gives a place back.</summary>
    public void Leave(IPAddress? address)
    {
        IPAddress network = NetworkOf(address);
        lock (_gate)
        {
            _count--;
            if (--_perAddress[network] == 0)
            {
                _perAddress.Remove(network);
            }
        }
    }

    /// <summary>What one subscriber has: the IPv4 address, or the /64 of an IPv6 one.</summary>
    internal static IPAddress NetworkOf(IPAddress? address)
    {
        if (address is null)
        {
            return IPAddress.None;
        }

        if (address.IsIPv4MappedToIPv6)
        {
            return address.MapToIPv4();
        }

        if (address.AddressFamily != AddressFamily.InterNetworkV6)
        {
            return address;
        }

        byte[] bytes = address.GetAddressBytes();
        bytes.AsSpan(Ipv6NetworkBytes).Clear();
        return new IPAddress(bytes);
    }
}
