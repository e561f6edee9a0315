using System.Security.Cryptography;
using DePIN.Evidence;
using DePIN.Gateway.Batch;
using DePIN.Gateway.Peer;
using DePIN.Gateway.Store;
using DePIN.Protocol;

namespace DePIN.Byzantine;

/// <summary>
/// What this gateway does that no honest one does, chosen by the environment's DEPIN_BYZANTINE: "badFrame" offers every batch with one frame's signature
/// broken; "stranger" puts a frame of a device that nobody registered behind each batch's frames; "equivocate" signs two batches under each number and shows each peer one first and the other at the next offer. Everything else is the gateway's own code.
/// </summary>
public static class Lies
{
    /// <summary>The transport that the core speaks through, and where the made-up bodies are.</summary>
    public static (IPeerTransport Transport, IBodySource[] Sources) Tell(
        IPeerTransport transport, IBodySource[] sources, IEthereumSigner key, Eip712Domain domain, IFrameStore log, BatchReader reader)
    {
        LyingTransport lying = new(transport, Environment.GetEnvironmentVariable("DEPIN_BYZANTINE") ?? "", key, domain, log, reader);
        return (lying, [lying.Bodies, .. sources]);
    }

    private sealed class LyingTransport(IPeerTransport inner, string how, IEthereumSigner key, Eip712Domain domain, IFrameStore log, BatchReader reader) : IPeerTransport
    {
        private readonly Dictionary<Address, int> _offers = [];

        public MadeUpBodies Bodies { get; } = new();

        public string OwnTrouble => inner.OwnTrouble;

        public bool Send(Address peer, PeerMessage message)
        {
            if (message is not OfferMessage offer || log.BatchAt(offer.Batch.Header.Number) is not { } stored) return inner.Send(peer, message);
            int times = _offers[peer] = _offers.GetValueOrDefault(peer) + 1;
            Address[] peers = [.. inner.Peers().Select(p => p.Gateway).Where(g => g != key.Address).Order()];
            bool lies = how switch
            {
                "badFrame" or "stranger" => true,
                "equivocate" => (times % 2 == 0) == (Array.IndexOf(peers, peer) == 0), // the first peer sees the true one first, the others the other
                _ => false,
            };
            return inner.Send(peer, lies ? Lie(offer.Batch.Header, reader.Body(stored)) : message);
        }

        public void Follow(Membership network) => inner.Follow(network);

        public void Blame(Address peer, int points, string reason) => inner.Blame(peer, 0, reason); // it does not drop who finds it out

        public IReadOnlyList<PeerState> Peers() => inner.Peers();

        private OfferMessage Lie(BatchHeader true_, BatchBody body)
        {
            List<ReadOnlyMemory<byte>> frames = [.. Enumerable.Range(0, body.Count).Select(i => body[i])];
            if (how == "badFrame" || (how == "equivocate" && frames.Count == 1))
            {
                byte[] broken = frames[^1].ToArray();
                broken[^1] ^= 1; // the signature's last byte
                frames[^1] = broken;
            }
            else if (how == "stranger")
            {
                frames.Add(Stranger(frames[^1].ToArray()));
            }
            else
            {
                frames.RemoveAt(frames.Count - 1);
            }

            BatchBody made = BatchBody.Encode(frames);
            BatchHeader header = made.ToHeader(true_.Gateway, true_.Number, true_.Previous, true_.FirstReceivedMs, true_.LastReceivedMs);
            Bodies.Add(made);
            return new OfferMessage(new BatchSummary(header, made.FramesHash(), FrameSpans.Of(made)!), Attestation.Sign(key, header.Digest(domain)));
        }
    }

    /// <summary>The same frame of a device that is in no registry, well formed and well signed; always the same, or it would be two batches under one number.</summary>
    private static byte[] Stranger(byte[] frame)
    {
        P256Signer signer = new(SHA256.HashData("a stranger"u8));
        byte[] key = new byte[DeviceId.PublicKeyBytes];
        signer.ReadPublicKey(key, 0);
        DeviceId.FromPublicKey(key, 0, frame, FrameFormat.DeviceIdOffset);
        int signed = frame.Length - FrameFormat.SignatureBytes;
        signer.Sign(frame, 0, signed, frame, signed);
        return frame;
    }

    private sealed class MadeUpBodies : IBodySource
    {
        private readonly System.Collections.Concurrent.ConcurrentDictionary<Hash32, BatchBody> _bodies = [];

        public void Add(BatchBody body)
        {
            if (_bodies.Count > 64) _bodies.Clear();
            _bodies[body.FramesHash()] = body;
        }

        public bool Has(Hash32 framesHash) => _bodies.ContainsKey(framesHash);

        public BodyReading? Open(Hash32 framesHash, long offset) =>
            _bodies.TryGetValue(framesHash, out BatchBody? body) ? new BodyReading(body.Bytes.Length, new MemoryStream(body.Bytes.ToArray(), writable: false) { Position = Math.Min(offset, body.Bytes.Length) }) : null;
    }
}
