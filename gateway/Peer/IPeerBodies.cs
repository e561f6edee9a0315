using DePIN.Evidence;

namespace DePIN.Gateway.Peer;

/// <summary>Who handles bodies; the transport gives these messages to it and not to the core.</summary>
public interface IPeerBodies
{
    /// <summary>A peer asks for a part of a body. Must not block.</summary>
    void Asked(Address peer, GetBodyMessage message);

    /// <summary>A part came; false when nobody asked for it. Must not block.</summary>
    bool Arrived(Address peer, BodyPartMessage message);

    /// <summary>A peer's last connection ended: what was asked of it does not come.</summary>
    void Away(Address peer);

    /// <summary>Answers <c>GET /peer/bodies/…</c> of a pinned peer.</summary>
    Task AnswerAsync(HttpContext context, Hash32 framesHash);
}
