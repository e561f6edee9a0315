using DePIN.Gateway.Update;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Update;

/// <summary>What is taken as a package: exactly what the operator signed, whatever the bytes are.</summary>
internal sealed class UpdatePackageTests
{
    [Test]
    public void A_package_is_read_back_as_it_was_packed()
    {
        using Operator operators = new();
        UpdatePackage made = operators.Pack(7), read = UpdatePackage.Read([.. made.Content], out string fault)!;
        Assert.That(fault, Is.Empty);
        Assert.Multiple(() =>
        {
            Assert.That(read.Manifest.Release, Is.EqualTo(7));
            Assert.That(read.Manifest.Board, Is.EqualTo(Operator.Board));
            Assert.That(read.Runtime, Is.EqualTo("1.9.1.0"));
            Assert.That(read.Manifest.Names, Is.EqualTo(new[] { "DePIN.Protocol.pe", "DePIN.Firmware.pe" }), "the application is the last");
            Assert.That(read.File(0).Length + read.File(1).Length, Is.EqualTo(3_000));
            Assert.That(read.Hash, Is.EqualTo(made.Hash));
            Assert.That(read.IsSignedBy(operators.Key), Is.True);
        });
    }

    [Test]
    public void Another_operators_package_is_sound_and_not_ours()
    {
        using Operator operators = new(), other = new();
        Assert.That(other.Pack(1).IsSignedBy(operators.Key), Is.False);
    }

    [Test]
    public void No_mutation_of_ten_thousand_crashes_and_none_passes()
    {
        using Operator operators = new();
        byte[] sound = operators.Pack(7).Content;
        Random random = new(20261125);
        int refused = 0;
        for (int round = 0; round < 10_000; round++)
        {
            byte[] bytes = [.. sound];
            switch (random.Next(4))
            {
                case 0: bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8)); break;
                case 1: bytes[random.Next(300)] = (byte)random.Next(256); break; // head and manifest
                case 2: bytes = bytes[..random.Next(bytes.Length)]; break;
                default: bytes = [.. bytes, .. new byte[random.Next(1, 40)]]; break;
            }

            if (bytes.AsSpan().SequenceEqual(sound)) continue;
            UpdatePackage? package = UpdatePackage.Read(bytes, out string fault);
            if (package is not null && package.IsSignedBy(operators.Key)) Assert.Fail($"round {round}: a mutation is taken");
            if (package is null && fault.Length == 0) Assert.Fail($"round {round}: no reason");
            refused++;
        }

        Assert.That(refused, Is.GreaterThan(9_900));
    }

    [TestCase(0, "does not begin as a package")]
    [TestCase(6, "manifest is wrong (BadMagic)")]
    [TestCase(-1, "DePIN.Firmware.pe is not the one that was signed")]
    public void A_tampered_package_is_refused_and_the_reason_names_the_place(int at, string reason)
    {
        using Operator operators = new();
        using TempFolder folder = new();
        byte[] bytes = [.. operators.Pack(7).Content];
        bytes[at < 0 ? bytes.Length + at : at] ^= 1;
        PackageStore store = new(folder.Sub("updates"), operators.Key);
        Assert.That(store.Check(bytes, out string fault), Is.Null);
        Assert.That(fault, Does.Contain(reason));
    }

    [Test]
    public void A_changed_manifest_is_not_signed_any_more()
    {
        using Operator operators = new();
        using TempFolder folder = new();
        byte[] bytes = [.. operators.Pack(7).Content];
        int release = 6 + 5 + Operator.Board.Length;
        Assert.That(bytes[release + 3], Is.EqualTo(7));
        bytes[release + 3] = 8;
        PackageStore store = new(folder.Sub("updates"), operators.Key);
        Assert.That(store.Check(bytes, out string fault), Is.Null);
        Assert.That(fault, Does.Contain("signature"));
        using Operator other = new();
        Assert.That(store.Check(other.Pack(7).Content, out fault), Is.Null);
        Assert.That(fault, Does.Contain("another operator"));
    }

    [Test]
    public void What_the_disk_damaged_is_not_loaded()
    {
        using Operator operators = new();
        using TempFolder folder = new();
        string updates = folder.Sub("updates");
        PackageStore store = new(updates, operators.Key);
        UpdatePackage package = operators.Pack(7), other = operators.Pack(8);
        store.Keep(package);
        Assert.That(store.Load(package.Hash, out _)!.Content, Is.EqualTo(package.Content));
        Assert.That(store.Load(other.Hash, out string fault), Is.Null);
        Assert.That(fault, Is.Not.Empty);

        string file = Directory.GetFiles(updates).Single();
        byte[] bytes = File.ReadAllBytes(file);
        bytes[^1] ^= 1;
        File.WriteAllBytes(file, bytes);
        Assert.That(store.Load(package.Hash, out fault), Is.Null);
        Assert.That(fault, Does.Contain("hash differs"));
        File.WriteAllBytes(file, other.Content);
        Assert.That(store.Load(package.Hash, out fault), Is.Null);
        Assert.That(fault, Does.Contain("another package"));
    }

    [TestCase("append", false), TestCase("append", true)]
    [TestCase("flush", false), TestCase("flush", true)]
    [TestCase("rename", false), TestCase("rename", true)]
    [TestCase("flush folder", false), TestCase("flush folder", true)]
    public void A_step_that_fails_done_or_not_leaves_the_package_whole_or_absent_and_the_next_try_keeps_it(string step, bool butPersists)
    {
        using Operator operators = new();
        using TempFolder folder = new();
        string updates = folder.Sub("updates");
        FailingDisk disk = new();
        UpdatePackage package = operators.Pack(7);
        PackageStore store = new(updates, operators.Key, disk);
        (disk.FailsAt, disk.ButPersists) = (step, butPersists);
        Assert.That(() => store.Keep(package), Throws.TypeOf<IOException>());

        disk.FailsAt = null;
        store = new PackageStore(updates, operators.Key, disk); // the process was killed there
        UpdatePackage? found = store.Load(package.Hash, out _);
        Assert.That(found is null || found.Content.AsSpan().SequenceEqual(package.Content), Is.True);
        Assert.That(Directory.GetFiles(updates, "*.part"), Is.Empty);
        disk.Steps.Clear();
        store.Keep(package);
        Assert.That(disk.Steps, Is.EqualTo(new[] { "append", "flush", "rename", "flush folder" }));
        Assert.That(store.Load(package.Hash, out _), Is.Not.Null);
    }

    [Test]
    public void Old_packages_go_and_those_in_use_stay()
    {
        using Operator operators = new();
        using TempFolder folder = new();
        string updates = folder.Sub("updates");
        PackageStore store = new(updates, operators.Key);
        UpdatePackage first = operators.Pack(1);
        for (uint release = 1; release <= PackageStore.PackagesMax + 3; release++) store.Keep(operators.Pack(release));
        store.Keep(first);
        store.Sweep(new HashSet<string> { Convert.ToHexStringLower(first.Hash) });
        Assert.That(Directory.GetFiles(updates), Has.Length.EqualTo(PackageStore.PackagesMax));
        Assert.That(store.Load(first.Hash, out _), Is.Not.Null);
    }
}
