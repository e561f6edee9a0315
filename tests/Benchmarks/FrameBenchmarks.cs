using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using DePIN.Cli.Bench;
using DePIN.Evidence;
using DePIN.Protocol;

namespace DePIN.Benchmarks;

/// <summary>What one frame of 208 bytes costs at each step of the hot path, in isolation.</summary>
[MemoryDiagnoser]
public class FrameBenchmarks : IDisposable
{
    private readonly SigningDevice device = new();
    private readonly ECDsa key;
    private readonly byte[] frame;
    private readonly byte[] digest;

    /// <summary>Makes one signed frame.</summary>
    public FrameBenchmarks()
    {
        frame = device.Next(4);
        digest = SHA256.HashData(frame.AsSpan(0, frame.Length - FrameFormat.SignatureBytes));
        key = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = device.PublicKey[..32], Y = device.PublicKey[32..] } });
    }

    /// <summary>The cheap rejects.</summary>
    [Benchmark]
    public FrameFault Structure() => FrameParser.Check(frame, 0, frame.Length);

    /// <summary>The digest that is signed.</summary>
    [Benchmark]
    public int Digest() => SHA256.HashData(frame.AsSpan(0, frame.Length - FrameFormat.SignatureBytes), digest);

    /// <summary>P-256 with the key at hand.</summary>
    [Benchmark(Baseline = true)]
    public bool Signature() => key.VerifyHash(digest, frame.AsSpan(frame.Length - FrameFormat.SignatureBytes), DSASignatureFormat.IeeeP1363FixedFieldConcatenation);

    /// <summary>The leaf of the batch's tree.</summary>
    [Benchmark]
    public Hash32 Leaf() => FrameLeaf.Hash(frame);

    /// <inheritdoc/>
    public void Dispose()
    {
        device.Dispose();
        key.Dispose();
        GC.SuppressFinalize(this);
    }
}
