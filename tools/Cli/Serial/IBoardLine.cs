using DePIN.Provision;

namespace DePIN.Cli.Serial;

/// <summary>What provisioning asks of a board, however it is reached. Failures are <see cref="BoardError"/>s; each request may be repeated.</summary>
public interface IBoardLine : IDisposable
{
    Task<BoardIdentity> IdentifyAsync(CancellationToken cancel);

    /// <summary>The device's signature r ‖ s (64 bytes) over its claim for this chain, registry and owner.</summary>
    Task<byte[]> ClaimAsync(byte[] chainId32, byte[] registry20, byte[] owner20, CancellationToken cancel);

    /// <summary>Gives the board its Wi-Fi. The arrays stay the caller's; what is made of them is erased.</summary>
    Task JoinWifiAsync(byte[] ssid, byte[] password, CancellationToken cancel);

    /// <summary>Gives the board all it needs to belong to a network, as a whole (shared/Protocol/SerialEnrolment.cs).</summary>
    Task EnrolAsync(ReadOnlyMemory<byte> enrolment, CancellationToken cancel);

    /// <summary>The board starts with what it was given.</summary>
    Task RestartAsync(CancellationToken cancel);
}
