// Signatures of shared/Protocol before a third party: the openssl of this machine, a process of its own, given the key as PEM and the
// signature as DER (SEC 1, RFC 3279 section 2.2.3).

using System.Diagnostics;
using System.Formats.Asn1;
using System.Numerics;
using System.Security.Cryptography;
using DePIN.Tests.Harness;

namespace DePIN.Protocol.Tests;

public sealed class OpensslTests
{
    private const int Signatures = 6;

    [Test]
    public void Openssl_verifies_what_the_signer_signs_and_nothing_else()
    {
        RequireOpenssl();
        using TempFolder folder = new();
        SeededRandom random = new(1363);
        for (int i = 0; i < Signatures; i++)
        {
            P256Signer signer = new(P256Signer.CreatePrivateKey(random));
            byte[] publicKey = new byte[64];
            signer.ReadPublicKey(publicKey, 0);
            byte[] message = random.Bytes(80 + (16 * i));
            byte[] signature = new byte[64];
            signer.Sign(message, 0, message.Length, signature, 0);
            using (ECDsa key = P256Reference.Import(publicKey))
            {
                File.WriteAllText(Path.Combine(folder.Path, "key.pem"), key.ExportSubjectPublicKeyInfoPem());
            }

            File.WriteAllBytes(Path.Combine(folder.Path, "message"), message);
            Assert.That(Verify(folder.Path, signature), Is.EqualTo((0, "Verified OK")), () => $"signature {i}");

            signature[40] ^= 1;
            Assert.That(Verify(folder.Path, signature), Is.EqualTo((1, "Verification failure")), () => $"a changed signature {i}");
        }
    }

    private static (int ExitCode, string Said) Verify(string folder, byte[] signature)
    {
        AsnWriter der = new(AsnEncodingRules.DER);
        using (der.PushSequence())
        {
            der.WriteInteger(new BigInteger(signature.AsSpan(0, 32), isUnsigned: true, isBigEndian: true));
            der.WriteInteger(new BigInteger(signature.AsSpan(32), isUnsigned: true, isBigEndian: true));
        }

        File.WriteAllBytes(Path.Combine(folder, "signature.der"), der.Encode());
        ProcessStartInfo start = new("openssl", ["dgst", "-sha256", "-verify", "key.pem", "-signature", "signature.der", "message"])
        {
            WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string said = process.StandardOutput.ReadToEnd().Trim().Split('\n')[0];
        process.WaitForExit();
        errors.Wait();
        return (process.ExitCode, said);
    }

    // Skipped where it is missing, except in CI, as other tests of peers do.
    private static void RequireOpenssl()
    {
        bool there = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Any(folder => File.Exists(Path.Combine(folder, OperatingSystem.IsWindows() ? "openssl.exe" : "openssl")));
        if (there)
        {
            return;
        }

        const string Missing = "openssl is missing: install the package openssl";
        if (Environment.GetEnvironmentVariable("CI") == "true")
        {
            Assert.Fail(Missing);
        }

        Assert.Ignore(Missing);
    }
}
