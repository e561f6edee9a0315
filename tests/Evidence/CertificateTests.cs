using System.Text;

namespace DePIN.Evidence.Tests;

/// <summary>Certificates: what certifies, what does not, and that hostile bytes and text only ever give a result.</summary>
[TestFixture]
public sealed class CertificateTests
{
    private const int Mutations = 20_000;

    // Batch(1) is by gateway 1.
    private static readonly BatchHeader Header = SampleEvidence.Batch(1);

    [Test]
    public void A_quorum_with_the_author_certifies()
    {
        Assert.That(Certify(0, 1, 2).Check(SampleEvidence.Domain, HeaderTests.Set(4)), Is.EqualTo(CertificateFault.None));
        Assert.That(Certify(0, 1, 2, 3).Check(SampleEvidence.Domain, HeaderTests.Set(4)), Is.EqualTo(CertificateFault.None));
    }

    [Test]
    public void What_does_not_certify_is_named()
    {
        Eip712Domain domain = SampleEvidence.Domain;
        GatewaySet set = HeaderTests.Set(4);
        Certificate good = Certify(0, 1, 2);
        Attestation wrong = HeaderTests.Attest(2, SampleEvidence.HashOf("another"));
        Assert.Multiple(() =>
        {
            Assert.That(Certify(0, 1).Check(domain, set), Is.EqualTo(CertificateFault.TooFewAttestations));
            Assert.That(Certify(0, 2, 3).Check(domain, set), Is.EqualTo(CertificateFault.AuthorMissing));
            Assert.That(Certify(1, 2, 9).Check(domain, set), Is.EqualTo(CertificateFault.NotActive));
            Assert.That(Certify(0, 1, 2, 3, 4).Check(domain, set), Is.EqualTo(CertificateFault.TooManyAttestations));
            Assert.That(good.Check(domain, HeaderTests.Set(1)), Is.EqualTo(CertificateFault.AuthorNotActive));
            Assert.That(good.Check(new Eip712Domain(1, SampleEvidence.Ledger), set), Is.EqualTo(CertificateFault.BadSignature), "another chain");
            Assert.That(good.Check(new Eip712Domain(SampleEvidence.ChainId, Address.Zero), set), Is.EqualTo(CertificateFault.BadSignature), "another ledger");
            Assert.That(
                new Certificate(Header, [.. Certify(0, 1).Attestations, wrong]).Check(domain, set), Is.EqualTo(CertificateFault.BadSignature));
            Assert.That(new Certificate(Header with { Frames = 0 }, good.Attestations).Check(domain, set), Is.EqualTo(CertificateFault.BadHeader));
            Assert.That(() => new Certificate(Header, [good.Attestations[0], good.Attestations[0]]), Throws.ArgumentException);
        });
    }

    [Test]
    public void One_certificate_has_one_encoding_in_bytes_and_reads_back_from_text()
    {
        Certificate certificate = Certify(3, 1, 0);
        byte[] bytes = certificate.ToArray();
        Assert.That(Certificate.TryRead(bytes, out Certificate? read), Is.EqualTo(CertificateFault.None));
        Assert.That(read!.ToArray(), Is.EqualTo(bytes));
        Assert.That(Certificate.TryReadJson(certificate.ToJson(), out Certificate? fromText), Is.Null);
        Assert.That(fromText!.ToArray(), Is.EqualTo(bytes));
        Assert.That(fromText.Check(SampleEvidence.Domain, HeaderTests.Set(4)), Is.EqualTo(CertificateFault.None));

        // The same attestations in another order are refused, not sorted: else one certificate had many encodings.
        ReadOnlySpan<byte> attestations = bytes.AsSpan(bytes.Length - 3 * Attestation.Bytes);
        byte[] swapped = [.. bytes[..^(3 * Attestation.Bytes)], .. attestations[84..168], .. attestations[..84], .. attestations[168..]];
        Assert.That(Certificate.TryRead(swapped, out _), Is.EqualTo(CertificateFault.NotAscending));
    }

    [Test]
    public void Mutated_bytes_give_a_result_and_what_is_accepted_is_canonical()
    {
        byte[] good = Certify(0, 1, 2).ToArray();
        Random random = new(11);
        for (int i = 0; i < Mutations; i++)
        {
            byte[] bytes = Mutation.Of(good, random);
            if (Certificate.TryRead(bytes, out Certificate? read) == CertificateFault.None) Assert.That(read!.ToArray(), Is.EqualTo(bytes));
            else Assert.That(read, Is.Null);
        }
    }

    [Test]
    public void Mutated_text_gives_a_result_that_names_what_is_wrong()
    {
        byte[] good = Certify(0, 1, 2).ToJson();
        Random random = new(12);
        for (int i = 0; i < Mutations; i++)
        {
            JsonFault? fault = Certificate.TryReadJson(Mutation.Of(good, random), out Certificate? read);
            Assert.That(fault is null, Is.EqualTo(read is not null));
            if (fault is not null) Assert.That(fault.Message, Does.EndWith("fetch the certificate again from another gateway."));
        }
    }

    [Test]
    public void Text_out_of_order_or_too_long_is_refused()
    {
        string text = Encoding.UTF8.GetString(Certify(0, 1).ToJson());
        Assert.That(Certificate.TryReadJson(new byte[EvidenceLimits.CertificateJsonBytesMax + 1], out _)!.Field, Is.Empty);
        string doubled = text.Replace("\"gateway\": \"0x", "\"gateway\": \"0X", StringComparison.Ordinal);
        Assert.That(Certificate.TryReadJson(Encoding.UTF8.GetBytes(doubled), out _)!.Field, Is.EqualTo("batch.gateway"));
    }

    [Test]
    public void The_largest_certificate_fits_its_bounds()
    {
        Certificate certificate = new(Header, Enumerable.Range(1, EvidenceLimits.GatewaysMax).Select(n =>
            new Attestation(new Address(SampleEvidence.HashOf($"{n}").ToArray().AsSpan(12)), default)));
        Assert.That(certificate.ToArray(), Has.Length.EqualTo(Certificate.BytesMax));
        Assert.That(Certificate.TryRead(certificate.ToArray(), out _), Is.EqualTo(CertificateFault.None));
        Assert.That(Certificate.TryReadJson(certificate.ToJson(), out _), Is.Null);
    }

    private static Certificate Certify(params int[] gateways) =>
        new(Header, gateways.Select(n => HeaderTests.Attest(n, Header.Digest(SampleEvidence.Domain))));
}

/// <summary>Seeded damage to bytes: flips, cuts, repeats, insertions, and swaps of digits and structure characters.</summary>
internal static class Mutation
{
    private static readonly byte[] Interesting = [.. "{}[]\",:0123456789abcdefx\\u-.eE \n\0"u8, 0x80, 0xff, 0xc3, 0xed];

    public static byte[] Of(byte[] good, Random random)
    {
        List<byte> bytes = [.. good];
        for (int n = random.Next(1, 4); n > 0 && bytes.Count > 0; n--)
        {
            int at = random.Next(bytes.Count);
            int length = Math.Min(random.Next(1, 40), bytes.Count - at);
            switch (random.Next(6))
            {
                case 0: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: bytes[at] = Interesting[random.Next(Interesting.Length)]; break;
                case 2: bytes.RemoveRange(at, length); break;
                case 3: bytes.InsertRange(random.Next(bytes.Count), bytes.GetRange(at, length)); break;
                case 4: bytes.Insert(at, Interesting[random.Next(Interesting.Length)]); break;
                default: bytes.RemoveRange(at, bytes.Count - at); break;
            }
        }
        return [.. bytes];
    }
}
