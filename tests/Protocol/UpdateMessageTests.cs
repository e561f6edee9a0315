// The update's manifest, requests, chunks, states and topics: bytes of their tables, and every rule a hostile one breaks.

using System.Reflection;
using System.Security.Cryptography;

namespace DePIN.Protocol.Tests;

public sealed class UpdateMessageTests
{
    private const string IdText = "00112233445566778899aabbccddeeff01234567";
    private static readonly byte[] OperatorKey = new SeededRandom(5).Bytes(32);

    [Test]
    public void A_manifest_has_the_bytes_of_its_table_and_reads_back()
    {
        byte[] bytes = Signed(Sample());
        string expected = "44550100" + "0d" + Hex("esp32-devkitc") + "00000007" + "05" + Hex("0.2.0") + "0001000c0000ffff" + "02"
            + "0b" + Hex("Library.pe1") + "00000200" + new string('1', 64) + "08" + Hex("Node-2.x") + "00000400" + new string('2', 64) + IdText;
        UpdateManifest read = new();
        Assert.Multiple(() =>
        {
            Assert.That(Convert.ToHexStringLower(bytes[..^64]), Is.EqualTo(expected));
            Assert.That(read.Read([9, .. bytes], 1, bytes.Length), Is.EqualTo(ManifestFault.None));
            Assert.That(read.Board, Is.EqualTo("esp32-devkitc"));
            Assert.That(read.Release, Is.EqualTo(7));
            Assert.That(read.VersionText, Is.EqualTo("0.2.0"));
            Assert.That(read.Runtime, Is.EqualTo(new ushort[] { 1, 12, 0, 65535 }));
            Assert.That(read.Names, Is.EqualTo(new[] { "Library.pe1", "Node-2.x" }));
            Assert.That(read.Sizes, Is.EqualTo(new[] { 512u, 1024u }));
            Assert.That(read.Hashes.Select(Convert.ToHexStringLower), Is.EqualTo(new[] { new string('1', 64), new string('2', 64) }));
            Assert.That(Convert.ToHexStringLower(read.OperatorId), Is.EqualTo(IdText));
            Assert.That(read.SignedBytes, Is.EqualTo(bytes.Length - 64));
            Assert.That(read.TotalBytes, Is.EqualTo(1536));
            Assert.That(read.FileCount, Is.EqualTo(2));
        });
    }

    [Test]
    public void Every_broken_rule_has_its_fault()
    {
        byte[] good = Signed(Sample());
        Assert.Multiple(() =>
        {
            Assert.That(Fault(good), Is.EqualTo(ManifestFault.None));
            Assert.That(Fault([.. good, .. new byte[UpdateManifest.BytesMax]]), Is.EqualTo(ManifestFault.BadLength));
            Assert.That(Fault([]), Is.EqualTo(ManifestFault.BadLength));
            Assert.That(Fault(Changed(good, 1, (byte)'F')), Is.EqualTo(ManifestFault.BadMagic));
            Assert.That(Fault(Changed(good, 2, 2)), Is.EqualTo(ManifestFault.UnknownVersion));
            Assert.That(Fault(Changed(good, 3, 1)), Is.EqualTo(ManifestFault.ReservedFlags));
            Assert.That(Fault(Changed(good, 4, 0)), Is.EqualTo(ManifestFault.BadText));
            Assert.That(Fault(Changed(good, 4, 32)), Is.EqualTo(ManifestFault.BadText));
            Assert.That(Fault(Changed(good, 6, (byte)' ')), Is.EqualTo(ManifestFault.BadText));
            Assert.That(Fault([.. good, 0]), Is.EqualTo(ManifestFault.TrailingBytes));
            Assert.That(Fault(With(manifest => manifest.Release = 0)), Is.EqualTo(ManifestFault.ReleaseZero));
            Assert.That(Fault(With(manifest => manifest.VersionText = "0.2 0")), Is.EqualTo(ManifestFault.BadText));
            Assert.That(Fault(With(manifest => manifest.Names = ["a", "A"])), Is.EqualTo(ManifestFault.DuplicateFileName));
            foreach (string name in new[] { "..", ".a", "a.", "a/b", "a\\b", "a+b", "-" })
            {
                Assert.That(Fault(With(manifest => manifest.Names = ["x", name])), Is.EqualTo(ManifestFault.BadFileName), name);
            }

            Assert.That(Fault(With(manifest => manifest.Sizes = [0, 1])), Is.EqualTo(ManifestFault.BadFileSize));
            Assert.That(Fault(With(manifest => manifest.Sizes = [UpdateManifest.TotalBytesMax, 1])), Is.EqualTo(ManifestFault.BadFileSize));
            Assert.That(Fault(With(manifest => manifest.Sizes = [uint.MaxValue, 2])), Is.EqualTo(ManifestFault.BadFileSize));
            Assert.That(Fault(With(manifest => manifest.Sizes = [UpdateManifest.TotalBytesMax - 1, 1])), Is.EqualTo(ManifestFault.None));
            Assert.That(Fault([.. good[..^64], .. new byte[32], .. good[^32..]]), Is.EqualTo(ManifestFault.SignatureOutOfRange));
            Assert.That(Fault([.. good[..^32], .. P256Reference.Bytes32(P256Reference.N - new System.Numerics.BigInteger(good.AsSpan(good.Length - 32), isUnsigned: true, isBigEndian: true))]),
                Is.EqualTo(ManifestFault.HighS));
        });
    }

    [Test]
    public void The_number_of_files_is_bounded()
    {
        byte[] good = Signed(Sample());
        int count = 4 + 1 + 13 + 4 + 1 + 5 + 8;
        Assert.Multiple(() =>
        {
            Assert.That(good[count], Is.EqualTo(2));
            Assert.That(Fault(Changed(good, count, 0)), Is.EqualTo(ManifestFault.BadFileCount));
            Assert.That(Fault(Changed(good, count, 17)), Is.EqualTo(ManifestFault.BadFileCount));
            Assert.That(Fault(Changed(good, count, 1)), Is.EqualTo(ManifestFault.TrailingBytes));
            Assert.That(Fault(Changed(good, count, 3)), Is.Not.EqualTo(ManifestFault.None));
        });
    }

    [Test]
    public void No_prefix_and_no_random_change_of_a_manifest_throws_or_passes_unseen()
    {
        byte[] good = Signed(Sample());
        for (int count = 0; count < good.Length; count++)
        {
            Assert.That(Fault(good[..count]), Is.Not.EqualTo(ManifestFault.None), $"{count} bytes");
        }

        SeededRandom random = new(11);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = [.. good];
            for (int changes = 1 + random.Below(4); changes > 0; changes--)
            {
                bytes[random.Below(bytes.Length)] = random.Bytes(1)[0];
            }

            UpdateManifest manifest = new();
            if (manifest.Read(bytes, 0, bytes.Length) == ManifestFault.None)
            {
                // What is taken is written again as the same bytes: there is one encoding of a manifest.
                byte[] again = new byte[bytes.Length];
                int signed = manifest.WriteUnsigned(again, 0);
                Assert.That(again[..signed], Is.EqualTo(bytes[..^64]));
            }
        }
    }

    [Test]
    public void What_is_no_manifest_is_not_written()
    {
        Assert.Multiple(() =>
        {
            Assert.That(() => With(manifest => manifest.Board = new string('b', 32)), Throws.ArgumentException);
            Assert.That(() => With(manifest => manifest.VersionText = ""), Throws.ArgumentException);
            Assert.That(() => With(manifest => manifest.Names = []), Throws.ArgumentException);
            Assert.That(() => With(manifest => manifest.Names = ["a", new string('b', 25)]), Throws.ArgumentException);
            Assert.That(() => With(manifest => manifest.Hashes = [new byte[32], new byte[31]]), Throws.ArgumentException);
            Assert.That(() => With(manifest => manifest.OperatorId = new byte[19]), Throws.ArgumentException);
            Assert.That(() => With(manifest => manifest.Runtime = new ushort[3]), Throws.ArgumentException);
            Assert.That(() => With(FillWith16LongNames), Throws.ArgumentException.With.Message.Contains("1024"));
        });
    }

    [Test]
    public void Requests_and_chunks_have_the_bytes_of_their_tables()
    {
        byte[] hash = new SeededRandom(6).Bytes(32);
        byte[] get = new byte[UpdateGet.Bytes];
        UpdateGet.Write(hash, 3, 0x01020304, 5, get, 0);
        byte[] chunk = new byte[UpdateChunk.BytesMax];
        int count = UpdateChunk.Write(get, 0, [0, 1, 2, 3, 4, 5], 1, chunk, 0);
        byte[] other = Changed(get, 8, 4);
        Assert.Multiple(() =>
        {
            Assert.That(Convert.ToHexStringLower(get), Is.EqualTo(Convert.ToHexStringLower(hash[..8]) + "03" + "01020304" + "0005"));
            Assert.That(UpdateGet.IsValid(get, 0, get.Length), Is.True);
            Assert.That(UpdateGet.IsFor(get, 0, hash), Is.True);
            Assert.That(UpdateGet.IsFor(get, 0, Changed(hash, 7, (byte)(hash[7] ^ 1))), Is.False);
            Assert.That((UpdateGet.File(get, 0), UpdateGet.At(get, 0), UpdateGet.Count(get, 0)), Is.EqualTo(((byte)3, 0x01020304u, (ushort)5)));
            Assert.That(UpdateGet.IsValid([.. get, 0], 0, 16), Is.False);
            Assert.That(UpdateGet.IsValid(Changed(get, 14, 0), 0, 15), Is.False, "no bytes wanted");
            Assert.That(UpdateGet.IsValid(Changed(get, 13, 5), 0, 15), Is.False, "more than 1024");
            Assert.That(UpdateGet.IsValid(Changed(Changed(get, 13, 4), 14, 0), 0, 15), Is.True, "1024");
            Assert.That(UpdateGet.IsValid([.. hash[..9], 0xff, 0xff, 0xff, 0xfe, 0, 2], 0, 15), Is.False, "beyond 2^32");
            Assert.That(chunk[..count], Is.EqualTo((byte[])[.. get, 1, 2, 3, 4, 5]));
            Assert.That(UpdateChunk.IsValid(chunk, 0, count), Is.True);
            Assert.That(UpdateChunk.IsValid(chunk, 0, count + 1), Is.False);
            Assert.That(UpdateChunk.IsValid(chunk, 0, count - 1), Is.False);
            Assert.That(UpdateChunk.IsValid(chunk, 0, 15), Is.False);
            Assert.That(UpdateChunk.Answers(chunk, 0, get, 0), Is.True);
            Assert.That(UpdateChunk.Answers(chunk, 0, other, 0), Is.False);
        });
    }

    [Test]
    public void A_state_has_the_bytes_of_its_table_and_reads_back()
    {
        byte[] hash = new SeededRandom(7).Bytes(32);
        byte[] bytes = new byte[UpdateState.BytesMax];
        int count = UpdateState.Write(6, 7, hash, UpdateStates.Refused, UpdateErrors.WrongBoard, 0x10, 0x20, "0.1.0", bytes, 0);
        int none = UpdateState.Write(0, 0, null!, 0, 0, 0, 0, "a long version text \u00e9", new byte[UpdateState.BytesMax], 0);
        Assert.Multiple(() =>
        {
            Assert.That(Convert.ToHexStringLower(bytes[..count]),
                Is.EqualTo("00000006" + "00000007" + Convert.ToHexStringLower(hash[..8]) + "07" + "05" + "00000010" + "00000020" + "05" + Hex("0.1.0")));
            Assert.That(UpdateState.IsValid(bytes, 0, count), Is.True);
            Assert.That(UpdateState.IsValid(bytes, 0, count - 1), Is.False);
            Assert.That(UpdateState.IsValid(bytes, 0, count + 1), Is.False);
            Assert.That(UpdateState.IsValid(Changed(bytes, 27, 7), 0, count), Is.False);
            Assert.That(none, Is.EqualTo(UpdateState.BytesMin + UpdateManifest.VersionCharsMax));
            Assert.That((UpdateState.Running(bytes, 0), UpdateState.Offered(bytes, 0)), Is.EqualTo((6u, 7u)));
            Assert.That((UpdateState.State(bytes, 0), UpdateState.Error(bytes, 0)), Is.EqualTo((UpdateStates.Refused, UpdateErrors.WrongBoard)));
            Assert.That((UpdateState.Done(bytes, 0), UpdateState.Total(bytes, 0)), Is.EqualTo((16u, 32u)));
            Assert.That(UpdateState.Version(bytes, 0), Is.EqualTo("0.1.0"));
        });
    }

    [Test]
    public void A_state_may_tell_the_board_and_is_the_same_without()
    {
        byte[] bytes = new byte[UpdateState.BytesMax];
        int plain = UpdateState.Write(6, 0, null!, UpdateStates.Idle, 0, 0, 0, "0.1.0", bytes, 0);
        int count = UpdateState.WriteBoard("xiao-esp32c3", bytes, 0, plain);
        byte[] longest = new byte[UpdateState.BytesMax];
        int most = UpdateState.WriteBoard(new string('b', 40), longest, 0, UpdateState.Write(6, 0, null!, UpdateStates.Idle, 0, 0, 0, new string('v', 40), longest, 0));
        Assert.Multiple(() =>
        {
            Assert.That(UpdateState.IsValid(bytes, 0, plain) && UpdateState.IsValid(bytes, 0, count), Is.True);
            Assert.That(UpdateState.Board(bytes, 0, plain), Is.Empty);
            Assert.That(UpdateState.Board(bytes, 0, count), Is.EqualTo("xiao-esp32c3"));
            Assert.That(UpdateState.WriteBoard("", bytes, 0, plain), Is.EqualTo(plain), "no name, no byte");
            Assert.That(most, Is.EqualTo(UpdateState.BytesMax));
            Assert.That(UpdateState.IsValid(longest, 0, most), Is.True);
            Assert.That(Enumerable.Range(plain + 1, count - plain - 1).Where(cut => UpdateState.IsValid(bytes, 0, cut)), Is.Empty, "cut");
            Assert.That(UpdateState.IsValid(Changed(bytes, plain, 0), 0, plain + 1), Is.False);
            Assert.That(UpdateState.IsValid(Changed(bytes, plain + 3, 7), 0, count), Is.False);
            Assert.That(UpdateState.IsValid(Changed(bytes, UpdateState.VersionOffset, 16), 0, count), Is.False);
        });
    }

    [Test]
    public void Every_state_and_error_has_its_own_number_and_name()
    {
        byte[] states = Constants(typeof(UpdateStates));
        byte[] errors = Constants(typeof(UpdateErrors));
        Assert.Multiple(() =>
        {
            Assert.That(states, Is.EqualTo(Enumerable.Range(0, states.Length)));
            Assert.That(errors, Is.EqualTo(Enumerable.Range(0, errors.Length)));
            Assert.That(states.Select(UpdateStates.Name), Is.Unique.And.All.Match("^[a-z-]+$"));
            Assert.That(errors.Select(UpdateErrors.Name), Is.Unique.And.All.Match("^[a-z-]+$"));
            Assert.That(UpdateStates.Name(255), Is.Null);
            Assert.That(UpdateErrors.Name(255), Is.Null);
        });
    }

    [Test]
    public void Update_topics_are_below_the_device_and_only_exact_ones_are_read()
    {
        byte[] id = new byte[20];
        Assert.Multiple(() =>
        {
            Assert.That(Topics.UpdateManifest(IdText), Is.EqualTo($"depin/1/{IdText}/update/manifest"));
            Assert.That(Topics.UpdateGet(IdText), Is.EqualTo($"depin/1/{IdText}/update/get"));
            Assert.That(Topics.UpdateChunk(IdText), Is.EqualTo($"depin/1/{IdText}/update/chunk"));
            Assert.That(Topics.UpdateState(IdText), Is.EqualTo($"depin/1/{IdText}/update/state"));
            Assert.That(Topics.TryReadUpdateGetTopic(Topics.UpdateGet(IdText), id), Is.True);
            Assert.That(DeviceId.ToText(id, 0), Is.EqualTo(IdText));
            Assert.That(Topics.TryReadUpdateStateTopic(Topics.UpdateState(IdText), new byte[20]), Is.True);
            Assert.That(Topics.TryReadUpdateStateTopic(Topics.UpdateGet(IdText), id), Is.False);
            Assert.That(Topics.TryReadUpdateGetTopic(Topics.UpdateGet(IdText.ToUpperInvariant()), id), Is.False);
            Assert.That(Topics.TryReadUpdateGetTopic(Topics.Frame(IdText), id), Is.False);
        });
    }

    private static UpdateManifest Sample() => new()
    {
        Board = "esp32-devkitc",
        Release = 7,
        VersionText = "0.2.0",
        Runtime = [1, 12, 0, 65535],
        Names = ["Library.pe1", "Node-2.x"],
        Sizes = [512, 1024],
        Hashes = [[.. Enumerable.Repeat((byte)0x11, 32)], [.. Enumerable.Repeat((byte)0x22, 32)]],
        OperatorId = Convert.FromHexString(IdText),
    };

    private static byte[] With(Action<UpdateManifest> change)
    {
        UpdateManifest manifest = Sample();
        change(manifest);
        return Signed(manifest);
    }

    private static byte[] Signed(UpdateManifest manifest)
    {
        byte[] buffer = new byte[2 * UpdateManifest.BytesMax];
        int count = manifest.WriteUnsigned(buffer, 0);
        new P256Signer(OperatorKey).SignDigest(SHA256.HashData(buffer.AsSpan(0, count)), 0, buffer, count);
        return buffer[..(count + UpdateManifest.SignatureBytes)];
    }

    private static void FillWith16LongNames(UpdateManifest manifest)
    {
        manifest.Names = [.. Enumerable.Range(10, 16).Select(i => new string('n', 22) + i)];
        manifest.Sizes = [.. Enumerable.Repeat(1u, 16)];
        manifest.Hashes = [.. Enumerable.Repeat(new byte[32], 16)];
    }

    private static ManifestFault Fault(byte[] bytes) => new UpdateManifest().Read(bytes, 0, bytes.Length);

    private static byte[] Changed(byte[] bytes, int at, byte value)
    {
        byte[] changed = [.. bytes];
        changed[at] = value;
        return changed;
    }

    private static byte[] Constants(Type type) =>
        [.. type.GetFields(BindingFlags.Public | BindingFlags.Static).Where(field => field.IsLiteral && field.FieldType == typeof(byte)).Select(field => (byte)field.GetRawConstantValue()!)];

    private static string Hex(string text) => Convert.ToHexStringLower([.. text.Select(c => (byte)c)]);
}
