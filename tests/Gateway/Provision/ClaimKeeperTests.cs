using DePIN.Evidence;
using DePIN.Gateway.Provision;
using DePIN.Gateway.Tests.Verify;
using DePIN.Gateway.Verify;
using DePIN.Provision;
using DePIN.Tests.Harness;

namespace DePIN.Gateway.Tests.Provision;

/// <summary>What the gateway does with a claim, by what the registry says of the device.</summary>
internal sealed class ClaimKeeperTests
{
    private static readonly Address Owner = Address.Parse("0x5fbdb2315678afecb367f032d93f642f64180aa3");
    private static readonly Address Other = Address.Parse("0x00000000000000000000000000000000000000aa");

    private TempFolder _folder = null!;
    private Pipeline _pipeline = null!;
    private ClaimCollector _claims = null!;

    [SetUp]
    public void Start()
    {
        _folder = new TempFolder();
        _pipeline = new Pipeline();
        _claims = new ClaimCollector(ClaimsFile, 31337, Address.Parse("0x00000000000000000000000000000000000000bb"), Owner);
    }

    [TearDown]
    public void End()
    {
        _claims.Dispose();
        _pipeline.Dispose();
        _folder.Dispose();
    }

    private string ClaimsFile => Path.Combine(_folder.Path, "claims.jsonl");

    [Test]
    public async Task A_claim_is_kept_once_when_the_registry_does_not_know_the_device_or_whose_it_is()
    {
        using SigningDevice unknown = new(), ownerless = new();
        await RegisterAsync(ownerless, []);

        for (int i = 0; i < 2; i++)
            foreach (SigningDevice device in (SigningDevice[])[unknown, ownerless]) await FileAsync(device);

        Assert.That(ClaimCollector.Read(ClaimsFile).Select(claim => claim.Device), Is.EqualTo(new[] { unknown.Id.ToString(), ownerless.Id.ToString() }));
    }

    [Test]
    public async Task A_registered_device_needs_no_claim_and_anothers_or_a_revoked_one_is_told_at_once()
    {
        using SigningDevice ours = new(), theirs = new(), revoked = new();
        await RegisterAsync(ours, Owner.ToArray());
        await RegisterAsync(theirs, Other.ToArray());
        await RegisterAsync(revoked, Owner.ToArray(), revokedAt: 7);

        await FileAsync(ours);
        Assert.Multiple(() =>
        {
            Assert.That(Assert.ThrowsAsync<ProvisionException>(() => FileAsync(theirs))!.Code, Is.EqualTo(ProvisionCode.OwnedByAnother));
            Assert.That(Assert.ThrowsAsync<ProvisionException>(() => FileAsync(revoked))!.Code, Is.EqualTo(ProvisionCode.Revoked));
            Assert.That(ClaimCollector.Read(ClaimsFile), Is.Empty);
        });
    }

    private Task FileAsync(SigningDevice device) => new ClaimKeeper(_pipeline.Devices, _claims, Owner)
        .FileAsync(new BoardIdentity(1, device.PublicKey, device.Id.ToString(), State: 0, Firmware: "", Board: ""), new byte[64], CancellationToken.None);

    private async Task RegisterAsync(SigningDevice device, byte[] owner, ulong revokedAt = 0) =>
        await _pipeline.Devices.PutAsync(new RegisteredDevice(device.Id, device.PublicKey, 1, owner, 1, revokedAt));
}
