// What hashing and signing cost on a board, in IL instructions: an ESP32 does roughly 1.2 to 3 million a second.

using DePIN.BoardCost;

namespace DePIN.Protocol.Tests;

public sealed class IlCostTests
{
    private const long FrameIlMax = 800_000;
    private const long SignatureIlMax = 600_000;
    private const long HashBlockIlMax = 6_000;
    private const long VerificationIlMax = 4_000_000;

    private static readonly Lazy<IlCounter> Counter = new(() => new IlCounter());

    [Test]
    public void A_signature_costs_at_most_600_thousand_instructions_and_as_many_for_every_key()
    {
        IlCounter counter = Counter.Value;
        SeededRandom random = new(1);
        List<long> costs = [];
        foreach (byte[] key in P256SignerTests.EdgeNumbers().Select(P256Reference.Bytes32).Take(60).Concat(Enumerable.Range(0, 40).Select(_ => random.Bytes(32))))
        {
            object signer = Activator.CreateInstance(counter.Type<P256Signer>(), key)!;
            var sign = counter.Type<P256Signer>().GetMethod(nameof(P256Signer.SignDigest))!
                .CreateDelegate<Action<byte[], int, byte[], int>>(signer);
            byte[] digest = random.Bytes(32);
            byte[] signature = new byte[64];
            costs.Add(counter.Measure(() => sign(digest, 0, signature, 0)));
        }

        TestContext.Out.WriteLine($"IL instructions a signature: {costs.Min():N0} to {costs.Max():N0}");

        // What differs: range checks that stop at the first differing byte, and the negation of a high s, which the signature shows.
        Assert.Multiple(() =>
        {
            Assert.That(costs.Max(), Is.LessThanOrEqualTo(SignatureIlMax));
            Assert.That(costs.Max() - costs.Min(), Is.LessThan(2_000));
        });
    }

    [Test]
    public void A_public_key_costs_as_many_instructions_for_every_key()
    {
        IlCounter counter = Counter.Value;
        SeededRandom random = new(2);
        HashSet<long> costs = [];
        foreach (byte[] key in P256SignerTests.EdgeNumbers().Select(P256Reference.Bytes32).Concat(Enumerable.Range(0, 40).Select(_ => random.Bytes(32))))
        {
            object signer = Activator.CreateInstance(counter.Type<P256Signer>(), key)!;
            var read = counter.Type<P256Signer>().GetMethod(nameof(P256Signer.ReadPublicKey))!.CreateDelegate<Action<byte[], int>>(signer);
            byte[] publicKey = new byte[64];
            read(publicKey, 0); // the first call, whose static constructors may count
            object again = Activator.CreateInstance(counter.Type<P256Signer>(), key)!;
            var readAgain = counter.Type<P256Signer>().GetMethod(nameof(P256Signer.ReadPublicKey))!.CreateDelegate<Action<byte[], int>>(again);
            costs.Add(counter.Measure(() => readAgain(publicKey, 0)));
        }

        TestContext.Out.WriteLine($"IL instructions a public key: {string.Join(", ", costs.Order())}");
        Assert.That(costs, Has.Count.EqualTo(1));
    }

    [Test]
    public void A_verification_costs_at_most_4_million_instructions()
    {
        IlCounter counter = Counter.Value;
        SeededRandom random = new(3);
        object verifier = Activator.CreateInstance(counter.Type<P256Verifier>())!;
        var verify = counter.Type<P256Verifier>().GetMethod(nameof(P256Verifier.VerifyDigest))!
            .CreateDelegate<Func<byte[], int, byte[], int, byte[], int, bool>>(verifier);
        List<long> costs = [];
        for (int i = 0; i < 40; i++)
        {
            byte[] key = P256Signer.CreatePrivateKey(random);
            byte[] digest = random.Bytes(32);
            byte[] signature = new byte[64];
            P256Signer signer = new(key);
            signer.SignDigest(digest, 0, signature, 0);
            byte[] publicKey = new byte[64];
            signer.ReadPublicKey(publicKey, 0);
            bool good = false;
            costs.Add(counter.Measure(() => good = verify(publicKey, 0, digest, 0, signature, 0)));
            Assert.That(good, Is.True);
        }

        TestContext.Out.WriteLine($"IL instructions a verification: {costs.Min():N0} to {costs.Max():N0}");
        Assert.That(costs.Max(), Is.LessThanOrEqualTo(VerificationIlMax));
    }

    [Test]
    public void A_block_of_the_hash_costs_at_most_6_thousand_instructions()
    {
        IlCounter counter = Counter.Value;
        var hash = counter.Type<Sha256>().GetMethod(nameof(Sha256.Hash))!.CreateDelegate<Action<byte[], int, int, byte[], int>>();
        byte[] message = new byte[64 * 18];
        byte[] digest = new byte[32];
        long one = counter.Measure(() => hash(message, 0, 64, digest, 0));
        long all = counter.Measure(() => hash(message, 0, message.Length, digest, 0));
        long block = (all - one) / 17;
        TestContext.Out.WriteLine($"IL instructions a block: {block:N0}; an empty message's hash {counter.Measure(() => hash(message, 0, 0, digest, 0)):N0}");
        Assert.That(block, Is.LessThanOrEqualTo(HashBlockIlMax));
    }

    [Test]
    public void A_frame_costs_its_signature_and_little_more()
    {
        SignCost cost = SignCost.Measure(Counter.Value);
        TestContext.Out.WriteLine(cost);
        Assert.Multiple(() =>
        {
            Assert.That(cost.IlPerSignature, Is.InRange(100_000, SignatureIlMax));
            Assert.That(cost.IlPerHashBlock, Is.InRange(1_000, HashBlockIlMax));
            Assert.That(cost.HmacsPerSignature, Is.EqualTo(5), "K, V, K, V, and the nonce: RFC 6979, section 3.2, d to h");
            Assert.That(cost.IlPerFrame, Is.InRange(cost.IlPerSignature + (2 * cost.IlPerHashBlock), FrameIlMax));
            Assert.That(cost.SecondsPerSignature, Is.LessThan(0.5), "the slow end of the estimate");
        });
    }
}
