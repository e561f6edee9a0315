namespace DePIN.Evidence.Tests;

/// <summary>The ledger's tree against a second implementation of its contract: peaks merged like a binary counter.</summary>
[TestFixture]
public sealed class MountainRangeTests
{
    private const int Size = 150;

    private readonly Hash32[] _anchors = SampleEvidence.Leaves(Size, 3);

    [Test]
    public void Peaks_are_those_of_the_contract_at_every_size()
    {
        MountainRange range = new();
        Hash32?[] peaks = new Hash32?[64];
        for (int i = 0; i < Size; i++)
        {
            Hash32 node = _anchors[i];
            int h = 0;
            for (; (i >> h & 1) != 0; h++)
            {
                node = EthereumCrypto.HashPair(peaks[h]!.Value, node);
                peaks[h] = null;
            }
            peaks[h] = node;
            Assert.That(range.Append(_anchors[i]), Is.EqualTo(i));
            for (h = 0; h < 64; h++)
            {
                if (peaks[h] is { } peak) Assert.That(range.Peak(h, i + 1), Is.EqualTo(peak), $"size {i + 1}, height {h}");
            }
        }
    }

    [Test]
    public void Every_ordinal_is_proven_at_every_size_and_old_paths_begin_the_new_ones()
    {
        MountainRange range = Full();
        for (int ordinal = 0; ordinal < Size; ordinal++)
        {
            Hash32[] before = [];
            for (int size = ordinal + 1; size <= Size; size++)
            {
                Hash32[] path = range.Proof(ordinal, size);
                Assert.That(path, Has.Length.GreaterThanOrEqualTo(before.Length));
                Assert.That(path.AsSpan(0, before.Length).SequenceEqual(before), Is.True, "an old path begins the new one");
                Assert.That(MountainRange.Verify(range.Peak(path.Length, size), _anchors[ordinal], ordinal, size, path), Is.True);
                before = path;
            }
        }
    }

    [Test]
    public void A_wrong_ordinal_size_or_path_does_not_verify()
    {
        MountainRange range = Full();
        Hash32[] path = range.Proof(7, 100);
        Hash32 peak = range.Peak(path.Length, 100);
        Assert.Multiple(() =>
        {
            Assert.That(MountainRange.Verify(peak, _anchors[7], 7, 100, path), Is.True);
            Assert.That(MountainRange.Verify(peak, _anchors[8], 7, 100, path), Is.False);
            Assert.That(MountainRange.Verify(peak, _anchors[7], 99, 100, path), Is.False);
            Assert.That(MountainRange.Verify(peak, _anchors[7], 100, 100, path), Is.False);
            Assert.That(MountainRange.Verify(peak, _anchors[7], -1, 100, path), Is.False);
            Assert.That(MountainRange.Verify(peak, _anchors[7], 7, 100, path.AsSpan(1)), Is.False);
        });
    }

    [Test]
    public void After_a_reorganisation_the_range_grows_as_if_nothing_had_been()
    {
        for (int keep = 0; keep < 40; keep++)
        {
            MountainRange range = Full();
            range.Truncate(keep);
            for (int i = keep; i < 60; i++) range.Append(_anchors[i]);
            MountainRange straight = new();
            for (int i = 0; i < 60; i++) straight.Append(_anchors[i]);
            for (int h = 0; h < 6; h++)
            {
                if ((60 >> h & 1) != 0) Assert.That(range.Peak(h, 60), Is.EqualTo(straight.Peak(h, 60)));
            }
            Assert.That(range.Proof(keep), Is.EqualTo(straight.Proof(keep)));
        }
    }

    [Test]
    public void What_is_not_there_is_the_callers_mistake()
    {
        MountainRange range = Full();
        Assert.That(() => range.Proof(Size), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => range.Proof(0, Size + 1), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => range.Peak(0, 2), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => range.Truncate(Size + 1), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    private MountainRange Full()
    {
        MountainRange range = new();
        foreach (Hash32 anchor in _anchors) range.Append(anchor);
        return range;
    }
}
